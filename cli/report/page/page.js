/** Draws the charts, again when light turns to dark or the window changes. */
import { charts } from './charts.js';
import { drawCurve } from './curves.js';
import { drawMemory } from './memory.js';
import { drawTimeLine, eventInWords, workWords } from './time-line.js';

/** @param {string} id */
const element = (id) => document.getElementById(id);

/** @returns {TimeData | undefined} */
function readTime() {
  const text = element('time-data')?.textContent;
  return text ? JSON.parse(text) : undefined;
}

/** @type {Plot[]} */
let curves = [];

function drawCurves() {
  for (const curve of curves) curve.destroy();
  /** @type {HTMLElement[]} */
  const places = [...document.querySelectorAll('.curve')].filter((one) => one instanceof HTMLElement);
  if (places.length === 0) return;
  const figures = JSON.parse(element('plan-data')?.textContent ?? '');
  curves = places.map((place) => drawCurve(place, figures));
}

/** @param {TimeData} time */
function drawLegend(time) {
  const works = new Set(time.roles.flatMap((role) => role.events.map((event) => event[4])));
  const list = element('time-legend');
  list?.replaceChildren(
    ...Object.keys(workWords)
      .filter((work) => works.has(work))
      .map((work) => {
        const item = document.createElement('li');
        const sample = document.createElement('span');
        sample.className = 'sample';
        sample.style.setProperty('--kind', `var(--${work})`);
        item.append(sample, workWords[work] ?? work);
        return item;
      }),
  );
}

/** @param {TimeData} time */
function drawAll(time) {
  const [line, memory, words] = [element('time-line'), element('memory-curve'), element('time-words')];
  for (const chart of charts) chart.destroy();
  charts.clear();
  drawLegend(time);
  if (line !== null)
    drawTimeLine(line, time, (row, event) => {
      if (words !== null) words.textContent = eventInWords(time, row, event);
    });
  if (memory !== null) drawMemory(memory, time);
}

function begin() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const time = readTime();
  const draw = () => {
    if (time !== undefined) drawAll(time);
    drawCurves();
  };
  /** @param {boolean} isDark */
  const paint = (isDark) => {
    root.dataset.theme = isDark ? 'dark' : 'light';
    draw();
  };
  paint(dark.matches);
  dark.addEventListener('change', ({ matches }) => paint(matches));
  element('theme')?.addEventListener('click', () => paint(root.dataset.theme !== 'dark'));
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
  });
  // Paper is white.
  let before = root.dataset.theme;
  addEventListener('beforeprint', () => {
    before = root.dataset.theme;
    for (const one of document.querySelectorAll('details')) one.open = true;
    paint(false);
  });
  addEventListener('afterprint', () => paint(before === 'dark'));
}

begin();
