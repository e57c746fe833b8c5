// What Vercel's own client does with a project at URL (first argument) with TOKEN, TEAM and PROJECT: prints outcomes as JSON.
// Its answers pass its own validators (zod): an emulator that tells anything wrong makes it throw. The last argument says
// where the client lies. It has no option for another base: its requests are sent elsewhere by a fetch of ours.
const { Sandbox } = await import(process.argv[6]);
const [url, token, teamId, projectId] = process.argv.slice(2, 6);
const elsewhere = (from, options) => fetch(String(from).replace("https://vercel.com/api", url), options);
const access = { token, teamId, projectId, fetch: elsewhere };
const told = {};

const box = await Sandbox.create({
  ...access,
  name: "npm-1",
  ports: [8123],
  timeout: 600000,
  persistent: false,
  networkPolicy: { allow: { "example.org": [] } },
  tags: { from: "npm" },
});
told.status = box.status;
told.policy = box.networkPolicy;
await box.writeFiles([{ path: "a/one.txt", content: Buffer.from("bytes of npm") }]);
told.read = (await box.readFileToBuffer({ path: "a/one.txt" })).toString();
const done = await box.runCommand({ cmd: "sh", args: ["-c", 'cat a/one.txt; echo "$X" >&2; exit 3'], env: { X: "y" } });
told.ran = [done.exitCode, await done.stdout(), await done.stderr()];
const detached = await box.runCommand({ cmd: "sleep", args: ["600"], detached: true });
await detached.kill("SIGKILL");
told.killed = (await detached.wait()).exitCode;
await box.extendTimeout(60000);
told.again = await Sandbox.create({ ...access, name: "npm-1" }).then(() => "made", (error) => error.response?.status ?? String(error));
const found = await Sandbox.get({ ...access, name: "npm-1" });
told.found = found.name;
const listed = await Sandbox.list({ ...access, tags: { from: "npm" } });
told.listed = (listed.sandboxes ?? listed.items ?? []).map((each) => each.name);
await box.stop();
told.stopped = (await Sandbox.get({ ...access, name: "npm-1", resume: false })).status;
await box.delete();
told.gone = await Sandbox.get({ ...access, name: "npm-1" }).then(() => "there", (error) => error.response?.status ?? String(error));
console.log(JSON.stringify(told));
