// The completion script, run by bash.

#include "cli/completion.h"

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands/commands.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paci::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

// What bash offers for the last of `words`.
std::vector<std::string> Complete(const std::vector<std::string>& words) {
  std::string line = "bash -c '. /dev/stdin; COMP_WORDS=(";
  for (const std::string& word : words) absl::StrAppend(&line, "\"", word, "\" ");
  absl::StrAppend(&line, "); COMP_CWORD=", words.size() - 1,
                  "; _pacictl; printf \"%s\\n\" \"${COMPREPLY[@]}\"' <<'SCRIPT'\n",
                  BashCompletion(AllVerbs()), "SCRIPT\n");
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(line.c_str(), "r"), pclose);
  std::string out;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof(buffer), pipe.get())) out.append(buffer, size);
  return absl::StrSplit(out, '\n', absl::SkipEmpty());
}

TEST(Completion, OffersVerbs) {
  EXPECT_THAT(Complete({"pacictl", "de"}), ElementsAre("describe", "delete"));
  for (const Verb& verb : AllVerbs()) {
    EXPECT_THAT(Complete({"pacictl", ""}), Contains(verb.name));
  }
}

TEST(Completion, OffersTheOptionsOfTheVerb) {
  EXPECT_THAT(Complete({"pacictl", "submit", "--"}), Contains("--watch"));
  EXPECT_THAT(Complete({"pacictl", "list", "--"}), Not(Contains("--watch")));
  EXPECT_THAT(Complete({"pacictl", "list", "--co"}), ElementsAre("--coordinator"));
  EXPECT_THAT(Complete({"pacictl", "--coordinator", "a:1", "events", "--f"}),
              ElementsAre("--follow"));
}

TEST(Completion, OffersTheFormatsOfTheVerb) {
  EXPECT_THAT(Complete({"pacictl", "list", "-o", ""}), ElementsAre("table", "json", "yaml"));
  EXPECT_THAT(Complete({"pacictl", "metrics", "a-1", "-o", "c"}), ElementsAre("csv"));
  EXPECT_THAT(Complete({"pacictl", "generate", "--output", "r"}), ElementsAre("raw"));
}

TEST(Completion, OffersFilesWhereAFileIsMeantAndNothingForOtherValues) {
  EXPECT_THAT(Complete({"pacictl", "submit", "CMakeL"}), ElementsAre("CMakeLists.txt"));
  EXPECT_THAT(Complete({"pacictl", "describe", "CMakeL"}), IsEmpty());
  EXPECT_THAT(Complete({"pacictl", "list", "--coordinator", ""}), IsEmpty());
}

}  // namespace
}  // namespace paci::cli
