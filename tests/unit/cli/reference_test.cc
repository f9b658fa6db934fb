// docs/pacictl.md is made of the verbs' own help.

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/parser.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/testdata.h"

namespace paci::cli {
namespace {

std::string Block(const std::string& text) {
  return absl::StrCat("```text\n", text.substr(0, text.find_last_not_of('\n') + 1), "\n```\n");
}

std::string Page() {
  const std::vector<Verb> verbs = AllVerbs();
  std::string page = absl::StrCat(
      "# pacictl\n\n"
      "<!-- Made from the program's own help by tests/unit/cli/reference_test.cc: "
      "PACI_REGENERATE=1 "
      "writes it again. -->\n\n",
      "With `-o json` and `-o yaml` the output follows protobuf's JSON mapping of the messages in\n"
      "`proto/paci/v1/job.proto`, under the field names that stand there: 64-bit integers are "
      "strings,\nenums are their names, bytes are base64, an absent optional number is left out. "
      "The "
      "documents of\n`plan` and `trace` are their own: [planner.md](planner.md), "
      "[timelines.md](timelines.md); so is that of\n`verify-checkpoint`, and `checkpoints` prints "
      "a "
      "list of Checkpoint. Errors go to stderr, one a line.\n\n"
      "| exit code | meaning |\n| --- | --- |\n"
      "| 0 | done |\n"
      "| 1 | failed: the coordinator refused, the job that was watched failed or was cancelled, "
      "stages are missing in a trace, no plan fits, or a checkpoint is damaged or not complete |\n"
      "| 2 | usage: a bad command line, a bad job file, or a file or folder that is not there |\n"
      "| 3 | there is no such job or worker |\n"
      "| 4 | the coordinator is unreachable, or did not answer in time |\n"
      "| 130 | interrupted with Ctrl-C while watching; the job goes on |\n\n",
      Block(HelpText(verbs, "")));
  for (const Verb& verb : verbs) {
    absl::StrAppend(&page, "\n## ", verb.name, "\n\n", Block(HelpText(verbs, verb.name)));
  }
  return page;
}

TEST(Reference, ThePageIsFresh) {
  // The help shows the variable's value in place of the default.
  unsetenv("PACI_COORDINATOR");
  ExpectFile("docs/pacictl.md", Page());
}

}  // namespace
}  // namespace paci::cli
