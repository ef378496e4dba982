/** An open dashboard has no login; a user can still enter a name for actions. */
import { useState } from "preact/hooks";
import { ownName, setOwnName } from "../session/session.ts";
import { Dialog, DialogFoot } from "./dialog.tsx";

export function NameDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState(ownName());
  return (
    <Dialog title="Your name" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          setOwnName(name.trim());
          onClose();
        }}
      >
        <p>
          No token is set (<code>UEE_API_TOKEN</code>): this dashboard answers on this machine only, and
          everybody here may do everything. Your name is kept with what you do.
        </p>
        <label class="field">
          <span>Name</span>
          <input
            data-focus
            maxLength={64}
            pattern="[A-Za-z0-9][A-Za-z0-9 ._@+\-]*"
            title="Letters, digits, spaces and . _ @ + -"
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <DialogFoot onClose={onClose}>
          <button class="button button-main" type="submit">
            Keep
          </button>
        </DialogFoot>
      </form>
    </Dialog>
  );
}
