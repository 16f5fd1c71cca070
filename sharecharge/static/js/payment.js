// A payment that is not confirmed yet: looks again while somebody looks at the page. Not by a reload, which would send again
// for the provider's page where this one is the answer to a form.
setInterval(() => {
  if (document.visibilityState === "visible") location.replace(location.pathname + location.search);
}, 6000);
