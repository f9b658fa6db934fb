#include "cli/completion.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace paci::cli {
namespace {

constexpr char kScript[] = R"(# Completes pacictl's command lines: source <(pacictl completion bash)
_pacictl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local verb= words= formats= files= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      @VERBS@) verb=$word; break ;;
    esac
  done
  case $verb in
@CASES@    *) words='@WORDS@' formats='@FORMATS@' ;;
  esac
  case $previous in
    -o|--output) COMPREPLY=($(compgen -W "$formats" -- "$current")); return ;;
    @VALUED@) return ;;
  esac
  COMPREPLY=($(compgen -W "$words @GLOBALS@" -- "$current"))
  if [[ $files ]]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _pacictl pacictl
)";

std::string Formats(const Verb& verb) {
  return absl::StrJoin(verb.formats, " ", [](std::string* out, Format format) {
    absl::StrAppend(out, FormatName(format));
  });
}

// "    submit) words='--set --watch' formats='table json yaml' files=1 ;;"
std::string Case(const Verb& verb) {
  std::vector<std::string> words;
  bool has_file = false;
  for (const Argument& argument : verb.arguments) {
    if (!argument.is_positional()) words.push_back(argument.name);
    has_file |= argument.values == Argument::Values::kFile;
  }
  return absl::StrCat("    ", verb.name, ") words='", absl::StrJoin(words, " "), "' formats='",
                      Formats(verb), "'", has_file ? " files=1" : "", " ;;\n");
}

// "-o,--output" -> "-o", "--output"
std::vector<std::string> Names(const Argument& argument) {
  return absl::StrSplit(argument.name, ',');
}

}  // namespace

std::string BashCompletion(const std::vector<Verb>& verbs) {
  Globals globals;
  std::string format;
  std::vector<std::string> global_names = {"--help"};
  std::vector<std::string> valued;
  const auto add_valued = [&](const Argument& argument) {
    if (argument.is_positional() || argument.is_flag()) return;
    for (const std::string& name : Names(argument)) valued.push_back(name);
  };
  for (const Argument& argument : GlobalArguments(&globals, &format)) {
    for (const std::string& name : Names(argument)) global_names.push_back(name);
    add_valued(argument);
  }
  std::vector<std::string> names;
  std::string cases;
  for (const Verb& verb : verbs) {
    names.push_back(verb.name);
    absl::StrAppend(&cases, Case(verb));
    for (const Argument& argument : verb.arguments) add_valued(argument);
  }
  return absl::StrReplaceAll(kScript, {{"@VERBS@", absl::StrJoin(names, "|")},
                                       {"@WORDS@", absl::StrJoin(names, " ")},
                                       {"@CASES@", cases},
                                       {"@FORMATS@", "table json yaml"},
                                       {"@VALUED@", absl::StrJoin(valued, "|")},
                                       {"@GLOBALS@", absl::StrJoin(global_names, " ")}});
}

}  // namespace paci::cli
