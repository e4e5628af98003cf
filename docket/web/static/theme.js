/* Chooses light or dark before anything is drawn. A classic script, so that no wrong colours flash up. */

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function remembered() {
    try {
      return JSON.parse(localStorage.getItem("docket.settings"))?.theme;
    } catch {
      return null;
    }
  }
  function choose() {
    const theme = remembered();
    const name = theme === "light" || theme === "dark" ? theme : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = name;
  }
  dark.addEventListener("change", choose);
  addEventListener("docket-theme", choose);
  choose();
})();
