import { Alerts } from "./Alerts";
import { Departures } from "./Departures";
import { Gateways } from "./Gateways";
import { Header } from "./Header";
import { Movements } from "./Movements";
import { SignIn } from "./SignIn";
import { Sites } from "./Sites";
import { connection } from "./state";

export function App() {
  if (connection.value === "sign-in") return <SignIn />;
  return (
    <>
      <Header />
      <main class={connection.value === "live" ? "" : "stale"}>
        <div class="stock">
          <Alerts />
          <Departures />
          <Sites />
          <Gateways />
        </div>
        <Movements />
      </main>
    </>
  );
}
