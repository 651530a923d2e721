/** What the tests of the language share: texts to read, and texts broken at random. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatModel } from '../format-model.ts';
import { compileModel } from '../lower-model.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The `.unet` texts of a folder beside this file, by name. */
export const textsOf = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(at(folder))
      .filter((file) => file.endsWith('.unet'))
      .map((file) => [file, readFileSync(join(at(folder), file), 'utf8')]),
  );

export const examples = textsOf('../../../examples/');

/** Numbers from 0 up to `below`, always the same for a seed (Steele et al. 2014, splitmix32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return Math.floor((((z ^ (z >>> 15)) >>> 0) / 2 ** 32) * below);
  };
}

/** What texts are made of, and what they must never hold. */
const scraps =
  'model let block input target loss train output if then else for in and or not true false scaled by of |> ( ) [ ] { } , ; : = == + - * / % ^ .. < <= 0 1 2 3 256 0.5 1e-3 99999999999 1e308 x l skip image land conv up_conv max_pool concat crop_like unet fold encode down decode relu width f32 class same // # " \' \n \t \u0000 \u202e é × 9..9 1..99999 - - - ((((( ))))'.split(
    ' ',
  );

const pieces = (text: string): string[] => text.match(/\w+|\s+|[^\w\s]+/g) ?? [];

/** A text with a few characters or words deleted, doubled, swapped, replaced, or taken from another text. */
export function mutate(text: string, other: string, draw: (below: number) => number): string {
  const words = pieces(text);
  const foreign = pieces(other);
  const edits = 1 + draw(4);
  for (let i = 0; i < edits; i++) {
    const place = draw(words.length);
    const scrap = scraps[draw(scraps.length)] ?? '';
    const edit = draw(8);
    if (edit === 0) words.splice(place, 1 + draw(3));
    else if (edit === 1) words.splice(place, 0, scrap);
    else if (edit === 2) words[place] = scrap;
    else if (edit === 3) words.splice(place, 0, ...words.slice(place, place + 1 + draw(20)));
    else if (edit === 4)
      words.splice(place, 0, ...foreign.slice(draw(foreign.length)).slice(0, 1 + draw(20)));
    else if (edit === 5) [words[place], words[0]] = [words[0] ?? '', words[place] ?? ''];
    else if (edit === 6) words[place] = flipCharacter(words[place] ?? '', draw);
    else words.length = Math.max(1, words.length - draw(words.length));
  }
  return words.join('');
}

function flipCharacter(word: string, draw: (below: number) => number): string {
  const place = draw(word.length);
  return word.slice(0, place) + String.fromCharCode(draw(200)) + word.slice(place + 1);
}

/**
 * Reads, formats and lowers `count` broken texts. A throw is a bug; so is a formatted text that formats to
 * another one. Gives how many were sound models all the same, and how long the longest took by `clock`.
 */
export function fuzz(
  count: number,
  seed: number,
  clock: () => number,
): { sound: number; longest: number; worst: string } {
  const good = [...examples.values()];
  const texts = [
    ...good,
    ...textsOf('../cases/mistakes/').values(),
    ...textsOf('../cases/annotated/').values(),
  ];
  const draw = numbers(seed);
  let [sound, longest, worst] = [0, 0, ''];
  for (let i = 0; i < count; i++) {
    const from = i % 2 === 0 ? good : texts;
    const text = mutate(from[draw(from.length)] ?? '', texts[draw(texts.length)] ?? '', draw);
    const began = clock();
    if (tryText(text, i % 3 === 0 ? 'predict' : 'train')) sound += 1;
    const took = clock() - began;
    if (took > longest) [longest, worst] = [took, text];
  }
  return { sound, longest, worst };
}

function tryText(text: string, purpose: 'train' | 'predict'): boolean {
  try {
    const formatted = formatModel(text);
    if (formatted.ok) {
      const again = formatModel(formatted.value);
      if (!again.ok || again.value !== formatted.value)
        throw new Error('formatting twice gives another text');
    }
    return compileModel(text, 'fuzz.unet', { purpose, steps: 20_000 }).ok;
  } catch (error) {
    throw new Error(`a text breaks the compiler:\n${JSON.stringify(text)}`, { cause: error });
  }
}
