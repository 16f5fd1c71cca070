// A payment that is not confirmed yet: looks again while somebody looks at the page.
setInterval(() => {
  if (document.visibilityState === "visible") location.reload();
}, 6000);
