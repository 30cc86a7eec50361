/** Bytes of a file in base64; see vite.config.ts. */
declare module "*?base64" {
  const base64: string;
  export default base64;
}
