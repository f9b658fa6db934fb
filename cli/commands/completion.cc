#include "cli/completion.h"

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"

namespace paci::cli {

Verb CompletionVerb() {
  const auto shell = std::make_shared<std::string>();
  return {.name = "completion",
          .summary = "Print a script that completes pacictl's command lines in a shell",
          .description = "",
          .example = "source <(pacictl completion bash)",
          .arguments = {{.name = "SHELL", .help = "bash", .target = shell.get()}},
          .formats = {Format::kTable},
          .run = [shell](const Context& context) -> absl::Status {
            if (*shell != "bash") {
              return absl::InvalidArgumentError(
                  absl::StrCat("there is no completion for '", *shell, "'; there is one for bash"));
            }
            context.streams.out << BashCompletion(AllVerbs());
            return absl::OkStatus();
          }};
}

}  // namespace paci::cli
