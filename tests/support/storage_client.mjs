// What Supabase's own client does with a project at URL (first argument) with KEY (second): prints the outcomes as JSON.
// NODE_PATH does not count for modules, so the third argument says where the client lies.
const { StorageClient } = await import(process.argv[4]);
const [url, key] = process.argv.slice(2, 4);
const client = new StorageClient(`${url}/storage/v1`, { apikey: key, Authorization: `Bearer ${key}` });
const said = ({ data, error }) => (error ? { status: error.status, statusCode: error.statusCode, message: error.message } : data);
const told = {};

told.made = said(await client.createBucket("npm", { public: false }));
told.again = said(await client.createBucket("npm", { public: false }));
told.bucket = said(await client.getBucket("npm"));
const files = client.from("npm");
const bytes = Buffer.from("bytes of npm");
told.uploaded = said(await files.upload("a/one.txt", bytes, { contentType: "text/plain" }));
told.duplicate = said(await files.upload("a/one.txt", bytes));
told.missing = said(await files.info("a/none.txt"));
told.info = said(await files.info("a/one.txt"));
told.exists = [(await files.exists("a/one.txt")).data, (await files.exists("a/none.txt")).data];
told.downloaded = await (await files.download("a/one.txt")).data.text();
const link = await files.createSignedUrl("a/one.txt", 60, { download: "name.txt" });
const linked = await fetch(link.data.signedUrl);
told.linked = [linked.status, await linked.text(), linked.headers.get("content-disposition")];
const upload = await files.createSignedUploadUrl("a/two.txt");
told.signed = said(await files.uploadToSignedUrl("a/two.txt", upload.data.token, Buffer.from("two")));
told.first = said(await files.listV2({ prefix: "a/", limit: 1 }));
told.second = said(await files.listV2({ prefix: "a/", limit: 1, cursor: told.first.nextCursor }));
told.removed = said(await files.remove(["a/one.txt", "a/none.txt"]));
const stranger = new StorageClient(`${url}/storage/v1`, { Authorization: "Bearer nobody" });
told.stranger = said(await stranger.from("npm").download("a/two.txt"));
console.log(JSON.stringify(told));
