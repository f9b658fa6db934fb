#include "cli/cli.h"

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/format/escape.h"
#include "cli/parser.h"
#include "cli/verb.h"

namespace paci::cli {
namespace {

absl::Status Run(const std::vector<std::string>& args, const Streams& streams) {
  // What is not UTF-8 cannot travel in a protobuf string.
  for (const std::string& arg : args) {
    if (!IsUtf8(arg)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the argument '", EscapeLine(arg), "' is not UTF-8"));
    }
  }
  const std::vector<Verb> verbs = AllVerbs();
  absl::StatusOr<ParsedLine> line = Parse(verbs, args);
  if (!line.ok()) return line.status();
  if (line->verb == nullptr) {
    streams.out << line->help;
    return absl::OkStatus();
  }
  return line->verb->run(Context{line->globals, streams});
}

}  // namespace

int RunPacictl(const std::vector<std::string>& args, const Streams& streams) {
  absl::Status status = Run(args, streams);
  if (status.ok() && !streams.out.flush()) {
    status = absl::DataLossError("cannot write to standard output");
  }
  if (!status.ok()) streams.err << ErrorText(status);
  return ExitCodeOf(status);
}

}  // namespace paci::cli
