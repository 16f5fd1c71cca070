// Seconds that run down between two messages of the server. What is true at the end, the server says: a look at it.

/** Gives `set(seconds)`; null: nothing runs down. */
export function countdown(clock) {
  let left = 0;
  setInterval(() => {
    if (!left) return;
    left -= 1;
    clock.textContent = left;
    if (left === 0) setTimeout(() => location.reload(), 1500);
  }, 1000);
  return (seconds) => { left = seconds ?? 0; };
}
