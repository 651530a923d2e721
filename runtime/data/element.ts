/** What a channel of a pixel is stored as. */
export type Element = 'u8' | 'u16' | 'f32';

export const bytesOfElement: Readonly<Record<Element, number>> = { u8: 1, u16: 2, f32: 4 };
