/** A table as one step of the keyboard: arrow keys lead from row to row, and from button to button in a row. */

const buttonsOf = (row) => [...row.querySelectorAll("button, a[href]")];

/** For `onKeyDown` of the element around a table whose buttons are no steps of their own (tabindex -1). */
export function byRows(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = [...event.currentTarget.querySelectorAll("tbody tr")].filter((row) => buttonsOf(row).length);
  const row = event.target.closest("tbody tr");
  const at = rows.indexOf(row);
  const place = row ? buttonsOf(row).indexOf(event.target) : 0;
  const inRow = (next) => next && (buttonsOf(next)[Math.max(0, place)] ?? buttonsOf(next)[0]);
  const next = {
    ArrowDown: () => inRow(rows[at + 1]),
    ArrowUp: () => inRow(rows[at - 1]),
    Home: () => inRow(rows[0]),
    End: () => inRow(rows.at(-1)),
    ArrowRight: () => row && buttonsOf(row)[place + 1],
    ArrowLeft: () => row && buttonsOf(row)[place - 1],
  }[event.key]?.();
  if (!next) return;
  event.preventDefault();
  next.focus();
}
