import { signIn } from "./live";

export function SignIn() {
  return (
    <form
      class="card sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        const token = new FormData(event.currentTarget).get("token");
        if (typeof token === "string" && token) signIn(token);
      }}
    >
      <h1>Tallyman</h1>
      <label>
        This server asks for its token
        <input name="token" type="password" autocomplete="current-password" required />
      </label>
      <button type="submit">Sign in</button>
    </form>
  );
}
