/** The page's own words. What the policy says stays in the policy's language, which is English. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en } from "./text/en.ts";
import { zh } from "./text/zh.ts";

export type Language = "en" | "zh";
export type Text = typeof en;

export const TEXTS: Record<Language, Text> = { en, zh };

const Words = createContext<Text>(en);
export const TextProvider = Words.Provider;

export function useText(): Text {
  return useContext(Words);
}

/** The reader's choice of before, else the browser's language. */
export function initialLanguage(): Language {
  const chosen = remembered("language");
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.languages.some((language) => language.startsWith("zh")) && !navigator.language.startsWith("en") ? "zh" : "en";
}

/** What was remembered under a name; nothing where the browser keeps nothing. */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`tcr-assistant.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`tcr-assistant.${name}`, value);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
