/** `zarrita`, loaded where there is such an image, with what it does not check itself. */

type Library = typeof import('zarrita');

let library: Promise<Library> | undefined;

export function loadZarr(): Promise<Library> {
  library ??= import('zarrita').then((loaded) => {
    checkBlosc(loaded.registry);
    return loaded;
  });
  return library;
}

const BLOSC_HEADER = 16;

/**
 * The decoder of Blosc (numcodecs 0.3.2) reads behind the end of a chunk that was cut off, and gives what it
 * finds there. The header says how long the chunk is: https://www.blosc.org/c-blosc/c-blosc.html, "header".
 */
function checkBlosc(registry: Library['registry']): void {
  const load = registry.get('blosc');
  if (load === undefined) return;
  const checked: typeof load = async () => {
    const codecs = await load();
    return {
      fromConfig(config, meta) {
        const codec = codecs.fromConfig(config, meta);
        return {
          kind: codec.kind,
          encode: (bytes: Uint8Array) => codec.encode(bytes),
          decode(bytes: Uint8Array) {
            checkLength(bytes);
            return codec.decode(bytes);
          },
        };
      },
    };
  };
  for (const name of ['blosc', 'numcodecs.blosc']) registry.set(name, checked);
}

function checkLength({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const view = new DataView(buffer, byteOffset, byteLength);
  const length = byteLength < BLOSC_HEADER ? BLOSC_HEADER : view.getUint32(12, true);
  if (length !== byteLength) throw new Error(`it has ${byteLength} of ${length} bytes`);
}
