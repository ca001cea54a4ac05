// What was entered survives a reload. It stays in this tab and ends with it, with the login or with success.
// A photo lies beside the rest: megabytes written at every key pressed would stall a slow phone.

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

  // Whether it found room.
  write(part) {
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ ...this.read(), ...part }));
      return true;
    } catch {
      return false;
    }
  }

  readPhoto(name) {
    return sessionStorage.getItem(this.keyOfPhoto(name));
  }

  writePhoto(name, content) {
    try {
      sessionStorage.setItem(this.keyOfPhoto(name), content);
    } catch {
      // No room: the rest of the draft is kept.
    }
  }

  removePhoto(name) {
    sessionStorage.removeItem(this.keyOfPhoto(name));
  }

  keyOfPhoto(name) {
    return `${this.key}:photo:${name}`;
  }

  clear() {
    sessionStorage.removeItem(this.key);
    const photos = Object.keys(sessionStorage).filter((key) => key.startsWith(this.keyOfPhoto("")));
    for (const key of photos) sessionStorage.removeItem(key);
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
