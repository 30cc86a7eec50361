import { useState } from "preact/hooks";
import type { Field } from "./judge.ts";

let isPointerDown = false;
addEventListener("pointerdown", () => (isPointerDown = true), true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (isPointerDown = false), true);

/**
 * The fields that the reader has been at. What is wrong with one is said when it is left, and where it is left by a
 * press of the pointer, after that: else the sentence would move what is being pressed away from under it.
 */
export function useTouched() {
  const [touched, setTouched] = useState<ReadonlySet<Field> | "all">(new Set());
  const add = (field: Field) =>
    setTouched((touched) => (touched === "all" || touched.has(field) ? touched : new Set(touched).add(field)));
  return {
    isTouched: (field: Field) => touched === "all" || touched.has(field),
    touch: (field: Field) => {
      if (isPointerDown) addEventListener("pointerup", () => setTimeout(add, 0, field), { once: true });
      else add(field);
    },
    touchAll: () => setTouched("all"),
    reset: () => setTouched(new Set()),
  };
}
