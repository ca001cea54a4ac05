// What was entered survives a reload. It stays in this tab and ends with it, with the login or with success.

export class Draft {
  constructor(key) {
    this.key = `draft:${key}`;
  }

  read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key)) ?? {};
    } catch {
      return {};
    }
  }

  // The storage may be full (a large photo): then the rest of the draft is still kept.
  write(part) {
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ ...this.read(), ...part }));
      return true;
    } catch {
      return false;
    }
  }

  clear() {
    sessionStorage.removeItem(this.key);
  }
}

export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.onerror = reject;
    reader.readAsDataURL(blob);
  });
}

export function fromBase64(text, type) {
  return new Blob([Uint8Array.from(atob(text), (character) => character.charCodeAt(0))], { type });
}
