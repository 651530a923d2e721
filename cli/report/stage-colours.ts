/** Hues far apart for stages that follow one another (the golden angle); how light they are is the page's choice. */
export const stageColour = (stage: number): string =>
  `hsl(${((stage * 137.5 + 210) % 360).toFixed(0)} 55% var(--stage-light))`;
