// What the AI SDK's own client makes of the AI route. Arguments: module, url, token, scenario, body (JSON). Prints JSON.
import { pathToFileURL } from "node:url";
const [file, url, token, scenario, given] = process.argv.slice(2);
const sdk = await import(pathToFileURL(file));
const body = JSON.parse(given);
const told = { errors: [], finishes: [], tools: [], data: [] };

class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => (this.messages = this.messages.concat(message));
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (thing) => structuredClone(thing);
}
class Chat extends sdk.AbstractChat {
  constructor(id, more = {}) {
    super({
      id,
      transport: new sdk.DefaultChatTransport({ api: `${url}/api/ai/stream`, headers: { Authorization: `Bearer ${token}` }, body }),
      state: new State(),
      onError: (error) => told.errors.push(String(error.message)),
      onFinish: ({ message, isAbort, isError, isDisconnect }) => told.finishes.push({ metadata: message.metadata, isAbort, isError, isDisconnect }),
      ...more,
    });
  }
}
const until = async (holds) => {
  for (let turn = 0; turn < 6000 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 20));
};
const answer = (chat) => (chat.messages.at(-1)?.role === "assistant" ? chat.messages.at(-1).parts : []);
const text = (chat) => answer(chat).filter((part) => part.type === "text").map((part) => part.text).join("");
const seen = (chat) => ({ status: chat.status, text: text(chat), messages: chat.messages });

if (scenario === "say") {
  const chat = new Chat("say");
  await chat.sendMessage({ text: "one two three" });
  Object.assign(told, seen(chat));
} else if (scenario === "tools") {
  const chat = new Chat("tools", {
    sendAutomaticallyWhen: sdk.lastAssistantMessageIsCompleteWithToolCalls,
    onToolCall: ({ toolCall }) => {
      told.tools.push([toolCall.toolName, toolCall.input]);
      (chat.addToolOutput ?? chat.addToolResult)({ tool: toolCall.toolName, toolCallId: toolCall.toolCallId, output: { found: 42 } });
    },
  });
  await chat.sendMessage({ text: "look it up" });
  await until(() => answer(chat).filter((part) => part.type === "step-start").length > 1 && chat.status === "ready");
  Object.assign(told, seen(chat));
} else if (scenario === "stop") {
  const chat = new Chat("stop");
  const sending = chat.sendMessage({ text: "go on and on" });
  await until(() => text(chat).length > 10);
  await chat.stop();
  await sending;
  Object.assign(told, seen(chat));
} else if (scenario === "resume") {
  const first = new Chat("resume");
  const sending = first.sendMessage({ text: "go on" });
  await until(() => text(first).length > 10);
  await first.stop();
  await sending;
  told.before = text(first);
  const again = new Chat("resume");
  await again.resumeStream();
  Object.assign(told, seen(again));
  const third = new Chat("resume");
  await third.resumeStream();
  told.nothing = third.messages.length;
}
console.log(JSON.stringify(told));
