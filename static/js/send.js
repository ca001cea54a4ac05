// Post a form with progress. Resolves to {location} or {errors: {field: [text]}} or {problem: code}.

export function send(url, body, progressed) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "text";
    request.upload.onprogress = (event) => event.lengthComputable && progressed(event.loaded / event.total);
    request.onerror = () => resolve({ problem: "offline" });
    request.ontimeout = request.onerror;
    request.timeout = 180_000;
    request.onload = () => resolve(answerOf(request));
    request.send(body);
  });
}

function answerOf(request) {
  const isJson = (request.getResponseHeader("Content-Type") ?? "").startsWith("application/json");
  if (request.status === 401 || new URL(request.responseURL).pathname === "/login") return { problem: "login" };
  if (request.status === 413) return { problem: "large" };
  return isJson && (request.status === 201 || request.status === 400)
    ? JSON.parse(request.responseText)
    : { problem: "other" };
}
