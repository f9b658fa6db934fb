#include "common/rpc/version.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/document.h"
#include "cli/format/escape.h"
#include "cli/format/units.h"

namespace paci::cli {
namespace {

std::string Text(const absl::StatusOr<v1::ServerInfo>& server, const Globals& globals) {
  const std::string client = absl::StrCat("pacictl      ", kVersion, "\n");
  if (!server.ok()) {
    return absl::StrCat(client, "coordinator  ", EscapeLine(server.status().message()), "\n");
  }
  return absl::StrCat(client, "coordinator  ", EscapeLine(server->version()), " at ",
                      globals.coordinator, ", up for ", AgeText(server->started(), absl::Now()),
                      "\n");
}

// {"client": {"version"}, "server": {"version", "started"}}; no "server" if it is unreachable.
absl::StatusOr<std::string> Document(const absl::StatusOr<v1::ServerInfo>& server) {
  v1::ServerInfo client;
  client.set_version(kVersion);
  const absl::StatusOr<std::string> client_json = ToJsonLine(client);
  if (!client_json.ok()) return client_json.status();
  if (!server.ok()) return absl::StrCat("{\"client\":", *client_json, "}");
  const absl::StatusOr<std::string> server_json = ToJsonLine(*server);
  if (!server_json.ok()) return server_json.status();
  return absl::StrCat("{\"client\":", *client_json, ",\"server\":", *server_json, "}");
}

absl::Status Version(const Context& context) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto server = client->Call(&Cluster::GetInfo, v1::GetInfoRequest());
  if (context.globals.format == Format::kTable) {
    context.streams.out << Text(server, context.globals);
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> document = Document(server);
  if (!document.ok()) return document.status();
  context.streams.out << (context.globals.format == Format::kJson ? IndentJson(*document)
                                                                  : JsonToYaml(*document));
  return absl::OkStatus();
}

}  // namespace

Verb VersionVerb() {
  return {.name = "version",
          .summary = "Show the version of pacictl and of the coordinator, if it is reachable",
          .description = "",
          .example = "pacictl version",
          .run = Version};
}

}  // namespace paci::cli
