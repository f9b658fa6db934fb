#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "cli/cli.h"
#include "common/security/tls.h"

namespace paci::cli {

enum class Format { kTable, kJson, kYaml, kCsv, kRaw };

// The options that every verb has.
struct Globals {
  std::string coordinator = "127.0.0.1:7070";
  Format format = Format::kTable;
  double timeout_seconds = 0;  // for one answer of the coordinator; 0: the verb's own
  SecurityOptions security;
  std::string token_file;  // empty: no token
};

// What a verb runs with.
struct Context {
  Globals globals;
  Streams streams;
};

// One argument of a verb, and where its value goes.
struct Argument {
  // A pointer to bool makes a flag, one to a vector an option that may be repeated.
  using Target =
      std::variant<std::string*, double*, uint32_t*, uint64_t*, bool*, std::vector<std::string>*>;
  enum class Values { kAny, kFile };  // what the shell completes

  std::string name;         // "--seed", or "JOB" for a positional one
  std::string placeholder;  // of an option's value: "SECONDS"
  std::string help;
  Target target;
  bool is_required = false;    // of an option
  bool is_optional = false;    // of a positional argument
  bool rejects_empty = false;  // of an option: "" is an error
  Values values = Values::kAny;

  bool is_positional() const { return name[0] != '-'; }
  bool is_flag() const { return std::holds_alternative<bool*>(target); }
};

// A verb is data and a function: the parser, --help, the shell's completion and the reference page
// are made from the same table. `run` reads what the parser wrote through `arguments`.
struct Verb {
  std::string name;
  std::string summary;      // one line, a sentence without a full stop
  std::string description;  // what else one must know; may be empty
  std::string example;      // one command a line
  std::vector<Argument> arguments;
  std::vector<Format> formats = {Format::kTable, Format::kJson, Format::kYaml};
  std::function<absl::Status(const Context&)> run;
};

// "table", "json", ...
std::string FormatName(Format format);

// The options that every verb has, bound to `globals`; `format` takes the word behind -o.
std::vector<Argument> GlobalArguments(Globals* globals, std::string* format);

}  // namespace paci::cli
