/** What a device and the thread that carries its messages say to each other. Messages themselves change hands: they are not copied. */

/** Whose messages the thread carries, and the socket of each device by its rank. */
export type CarrierData = { readonly rank: number; readonly doors: readonly string[] };

export type CarrierOrder =
  /** Every device is listening: call those of lower rank, wait for those of higher rank. */
  | { readonly do: 'connect' }
  | {
      readonly do: 'send';
      readonly peer: number;
      readonly tag: number;
      readonly message: Uint8Array<ArrayBuffer>;
      /** By which the report says that it has left. */
      readonly number: number;
    }
  | { readonly do: 'close' };

export type CarrierReport =
  | { readonly did: 'listening' }
  | { readonly did: 'connected'; readonly peer: number }
  | { readonly did: 'sent'; readonly peer: number; readonly number: number }
  | {
      readonly did: 'came';
      readonly peer: number;
      readonly tag: number;
      readonly message: Uint8Array<ArrayBuffer>;
    }
  | { readonly did: 'lost'; readonly peer: number }
  | { readonly did: 'failed'; readonly reason: string };
