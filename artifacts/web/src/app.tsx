import { useEffect, useState } from "preact/hooks";
import { Configure } from "./configure/configure.tsx";
import { type Form, fromLink, initialForm, toLink } from "./configure/form.ts";
import { type Link, read, type View, write } from "./link.ts";
import { initialTrial, type Trial, trialFromLink, trialToLink } from "./playground/trial.ts";
import { Try } from "./playground/try.tsx";
import { initialLanguage, type Language, remember, remembered, TEXTS, TextProvider } from "./text.tsx";

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

export function App({ link }: { link: Link }) {
  const [view, setView] = useState<View>(link.view);
  const [form, setForm] = useState<Form>(() => (link.view === "configure" ? fromLink(link.state) : initialForm()));
  const [trial, setTrial] = useState<Trial>(() => (link.view === "try" ? trialFromLink(link.state) : initialTrial()));
  const [language, setLanguage] = useState<Language>(initialLanguage);
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((theme) => theme === remembered("theme")) ?? "auto");
  const text = TEXTS[language];

  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = text.title;
    remember("language", language);
  }, [language]);

  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
  }, [theme]);

  // The address is the link to what is seen, a moment after the last key.
  useEffect(() => {
    let isLatest = true;
    const timer = setTimeout(async () => {
      const fragment = await write({ view, state: view === "configure" ? toLink(form) : trialToLink(trial) });
      if (isLatest) history.replaceState(null, "", fragment);
    }, 250);
    return () => {
      isLatest = false;
      clearTimeout(timer);
    };
  }, [view, form, trial]);

  // A link that is pasted into the address of this page.
  useEffect(() => {
    const follow = async () => {
      const link = await read(location.hash);
      setView(link.view);
      if (link.state !== null && link.view === "configure") setForm(fromLink(link.state));
      if (link.state !== null && link.view === "try") setTrial(trialFromLink(link.state));
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);

  const choose = (view: View) => (event: Event) => {
    event.preventDefault();
    setView(view);
  };
  const tryOut = (settings: string) => {
    setTrial({ ...trial, settings });
    setView("try");
  };
  const nextTheme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";

  return (
    <TextProvider value={text}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        {text.skip}
      </a>
      <header class="top">
        <div class="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M8 11h16M16 11v12" /><circle cx="24" cy="21" r="3" /></svg>
          <span>tcr-assistant</span>
        </div>
        <nav aria-label={text.views}>
          <a href="#configure" aria-current={view === "configure" ? "page" : undefined} onClick={choose("configure")}>{text.configure.name}</a>
          <a href="#try" aria-current={view === "try" ? "page" : undefined} onClick={choose("try")}>{text.try.name}</a>
        </nav>
        <div class="preferences">
          <button type="button" class="quiet" aria-label={text.theme[theme]} title={text.theme[theme]} onClick={() => setTheme(nextTheme)}>
            <ThemeIcon theme={theme} />
          </button>
          <button type="button" class="quiet" lang={language === "zh" ? "en" : "zh-CN"} onClick={() => setLanguage(language === "zh" ? "en" : "zh")}>
            {language === "zh" ? "English" : "中文"}
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {view === "configure" ? <Configure form={form} setForm={setForm} onTry={tryOut} /> : <Try trial={trial} setTrial={setTrial} />}
      </main>
      <footer>
        <p>{text.footer}</p>
      </footer>
    </TextProvider>
  );
}

function ThemeIcon({ theme }: { theme: Theme }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      {theme === "light" && <path d="M10 6a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M16 4l-1.4 1.4M5.4 14.6 4 16" />}
      {theme === "dark" && <path d="M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5Z" />}
      {theme === "auto" && <><circle cx="10" cy="10" r="7" /><path d="M10 3a7 7 0 0 1 0 14Z" fill="currentColor" /></>}
    </svg>
  );
}
