#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace paci::cli {
namespace {

constexpr char kDescription[] =
    "pacictl submits, watches and controls the training jobs of a paci coordinator.";
constexpr char kFooter[] =
    "Examples:\n"
    "  pacictl submit job.yaml --watch\n"
    "  pacictl list -o json\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 usage or a bad job file, 3 not found, 4 coordinator "
    "unreachable.\n"
    "Help for one verb: pacictl VERB --help";
constexpr char kVerbFooter[] =
    "Options of every verb: --coordinator HOST:PORT, -o FORMAT, --timeout SECONDS; see pacictl "
    "--help.";

// What CLI11 takes too easily: "-1" for an unsigned number.
std::string CheckWholeNumber(const std::string& text) {
  uint64_t value = 0;
  return absl::SimpleAtoi(text, &value) ? "" : absl::StrCat("'", text, "' is no whole number >= 0");
}

std::string CheckTimeout(const std::string& text) {
  double seconds = 0;
  const bool is_right = absl::SimpleAtod(text, &seconds) && seconds >= 0.001 && seconds <= 86400;
  return is_right ? "" : absl::StrCat("'", text, "' is no time from 0.001 to 86400 seconds");
}

void AddArgument(const Argument& argument, CLI::App* app) {
  if (bool* const* flag = std::get_if<bool*>(&argument.target)) {
    app->add_flag(argument.name, **flag, argument.help);
    return;
  }
  CLI::Option* option = std::visit(
      [&](auto* target) { return app->add_option(argument.name, *target, argument.help); },
      argument.target);
  // One value behind each --set, and no splitting of values that look like "[a,b]".
  option->allow_extra_args(false);
  option->required(argument.is_required || (argument.is_positional() && !argument.is_optional));
  option->type_name(argument.placeholder);
  if (argument.rejects_empty) {
    option->check([](const std::string& value) {
      return value.empty() ? std::string("is empty") : std::string();
    });
  }
  if (std::holds_alternative<uint32_t*>(argument.target) ||
      std::holds_alternative<uint64_t*>(argument.target)) {
    option->check(CheckWholeNumber);
  }
}

// Lines of at most 80 characters.
std::string Wrap(const std::string& text) {
  std::string out;
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const bool breaks = column > 0 && column + 1 + word.size() > 80;
    absl::StrAppend(&out, column == 0 ? "" : breaks ? "\n" : " ", word);
    column = (column == 0 || breaks ? 0 : column + 1) + word.size();
  }
  return out;
}

std::string VerbFooter(const Verb& verb) {
  const std::vector<std::string> lines = absl::StrSplit(verb.example, '\n');
  return absl::StrCat(Wrap(verb.description), verb.description.empty() ? "" : "\n\n",
                      lines.size() == 1 ? "Example:\n  " : "Examples:\n  ",
                      absl::StrJoin(lines, "\n  "), "\n\n", kVerbFooter);
}

void Build(const std::vector<Verb>& verbs, const std::vector<Argument>& globals, CLI::App* app) {
  app->name("pacictl");
  app->description(kDescription);
  app->footer(kFooter);
  app->fallthrough();
  app->require_subcommand(0, 1);
  app->get_formatter()->label("SUBCOMMAND", "VERB");
  app->get_formatter()->label("Subcommands", "Verbs");
  for (const Argument& argument : globals) AddArgument(argument, app);
  app->get_option("--coordinator")->envname("PACI_COORDINATOR")->capture_default_str();
  app->get_option("--tls-ca")->envname("PACI_TLS_CA");
  app->get_option("--tls-cert")->envname("PACI_TLS_CERT");
  app->get_option("--tls-key")->envname("PACI_TLS_KEY");
  app->get_option("--token-file")->envname("PACI_TOKEN_FILE");
  app->get_option("--timeout")->check(CheckTimeout);
  for (const Verb& verb : verbs) {
    CLI::App* sub = app->add_subcommand(verb.name, verb.summary);
    sub->group("Verbs");
    sub->footer(VerbFooter(verb));
    for (const Argument& argument : verb.arguments) AddArgument(argument, sub);
  }
}

const Verb* FindVerb(const std::vector<Verb>& verbs, const std::string& name) {
  const auto found =
      std::find_if(verbs.begin(), verbs.end(), [&](const Verb& verb) { return verb.name == name; });
  return found == verbs.end() ? nullptr : &*found;
}

absl::Status UsageError(const std::string& what, const std::string& verb) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, "; see pacictl ", verb.empty() ? "" : verb + " ", "--help"));
}

// CLI11 ends some messages with a newline.
std::string Message(const CLI::Error& error) {
  return std::string(absl::StripAsciiWhitespace(error.what()));
}

absl::Status Unexpected(const std::string& argument, const std::string& verb) {
  if (verb.empty() && argument[0] != '-') {
    return UsageError(absl::StrCat("there is no verb '", argument, "'"), "");
  }
  const absl::string_view what =
      argument[0] == '-' ? "there is no option " : "too many arguments: ";
  return UsageError(absl::StrCat(what, argument), verb);
}

absl::StatusOr<Format> ParseFormat(const std::string& word, const Verb& verb) {
  std::vector<std::string> possible;
  for (const Format format : verb.formats) {
    if (FormatName(format) == word) return format;
    possible.push_back(FormatName(format));
  }
  return UsageError(
      absl::StrCat("-o ", word, ": ", verb.name, " can print ", absl::StrJoin(possible, ", ")),
      verb.name);
}

// CLI11 takes "" for a value.
absl::Status CheckPositionals(const Verb& verb) {
  for (const Argument& argument : verb.arguments) {
    std::string* const* text = std::get_if<std::string*>(&argument.target);
    if (argument.is_positional() && !argument.is_optional && text != nullptr && (*text)->empty()) {
      return UsageError(absl::StrCat(argument.name, " is empty"), verb.name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ParsedLine> Parse(const std::vector<Verb>& verbs,
                                 const std::vector<std::string>& args) {
  ParsedLine line;
  std::string format = FormatName(line.globals.format);
  CLI::App app;
  Build(verbs, GlobalArguments(&line.globals, &format), &app);
  const auto verb_name = [&]() -> std::string {
    const auto chosen = app.get_subcommands();
    return chosen.empty() ? "" : chosen.front()->get_name();
  };
  try {
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForHelp&) {
    line.help = app.help();
    return line;
  } catch (const CLI::ExtrasError&) {
    return Unexpected(app.remaining(true).at(0), verb_name());
  } catch (const CLI::Error& error) {
    return UsageError(Message(error), verb_name());
  }
  line.verb = FindVerb(verbs, verb_name());
  if (line.verb == nullptr) return UsageError("say what to do", "");
  const absl::Status positionals = CheckPositionals(*line.verb);
  if (!positionals.ok()) return positionals;
  const absl::StatusOr<Format> parsed = ParseFormat(format, *line.verb);
  if (!parsed.ok()) return parsed.status();
  line.globals.format = *parsed;
  return line;
}

std::string HelpText(const std::vector<Verb>& verbs, const std::string& verb) {
  std::vector<std::string> args = {"--help"};
  if (!verb.empty()) args.insert(args.begin(), verb);
  const absl::StatusOr<ParsedLine> line = Parse(verbs, args);
  return line.ok() ? line->help : line.status().ToString();
}

}  // namespace paci::cli
