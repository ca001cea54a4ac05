// Post a form with progress. Resolves to {location} or {errors: {field: [text]}, first} or {problem: code}.

// A slow line is given all the time it needs; one on which nothing moves any more is given up.
const LONGEST_SILENCE_MS = 180_000;

export function send(url, body, progressed) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => request.abort(), LONGEST_SILENCE_MS);
    };
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "text";
    request.upload.onprogress = (event) => {
      heard();
      if (event.lengthComputable) progressed(event.loaded / event.total);
    };
    request.onerror = () => resolve({ problem: "offline" });
    request.onabort = request.onerror;
    request.onload = () => resolve(answerOf(request));
    request.onloadend = () => clearTimeout(silence);
    heard();
    request.send(body);
  });
}

function answerOf(request) {
  const isJson = (request.getResponseHeader("Content-Type") ?? "").startsWith("application/json");
  if (isJson && [201, 400, 409].includes(request.status)) return JSON.parse(request.responseText);
  if (request.status === 413) return { problem: "large" };
  // A login that has ended takes the form's token with it: the answer is then a plain 400.
  const isLoggedOut = [400, 401].includes(request.status) || new URL(request.responseURL).pathname === "/login";
  return { problem: isLoggedOut ? "login" : "other" };
}
