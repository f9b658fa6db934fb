#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/commands/commands.h"
#include "cli/format/document.h"
#include "common/security/user_tokens.h"
#include "nlohmann/json.hpp"

namespace paci::cli {
namespace {

struct Options {
  std::string name;
  std::string role;
};

absl::Status Token(const Context& context, const Options& options) {
  const absl::StatusOr<Role> role = ParseRole(options.role);
  if (!role.ok()) return role.status();
  const std::string token = MakeToken();
  const std::string line = TokenLine({options.name, *role}, token);
  // As the coordinator will read it.
  if (absl::Status read = ParseTokens(line).status(); !read.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", options.name, " ", options.role,
                                                   "\" makes a line that ",
                                                   absl::StripPrefix(read.message(), "line 1 ")));
  }
  if (context.globals.format == Format::kTable) {
    context.streams.out << "token                 " << token << "\nline of --token-file  " << line
                        << "\n";
    return absl::OkStatus();
  }
  const std::string json = nlohmann::json{{"token", token}, {"line", line}}.dump();
  context.streams.out << (context.globals.format == Format::kJson ? IndentJson(json)
                                                                  : JsonToYaml(json));
  return absl::OkStatus();
}

}  // namespace

Verb TokenVerb() {
  auto options = std::make_shared<Options>();
  return {.name = "token",
          .summary = "Make a token for a user",
          .description =
              "Prints a new random token, to be given to the user and kept in a file "
              "that only he can read, and the line for the coordinator's --token-file, "
              "which holds its hash. Roles: view reads; submit also submits, steers and "
              "ends jobs; admin also deletes jobs and drains workers. Asks no "
              "coordinator.",
          .example = "pacictl token anna submit",
          .arguments =
              {{.name = "NAME", .placeholder = "", .help = "Of the user", .target = &options->name},
               {.name = "ROLE",
                .placeholder = "",
                .help = "view, submit or admin",
                .target = &options->role}},
          .run = [options](const Context& context) { return Token(context, *options); }};
}

}  // namespace paci::cli
