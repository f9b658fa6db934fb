#pragma once

// pacictl, the command line: it shows and changes jobs and workers through a coordinator, plans
// jobs by itself, and never touches a worker, a store or LibTorch.
//   verb.h      what a verb is: its words, its arguments, and the function that runs it
//   commands/   one file a verb, or a family of verbs
//   parser.*    verbs -> CLI11 -> one parsed verb; the only file that sees CLI11
//   client.*    calls to the coordinator, their deadlines and their errors
//   watch/      following a job until it ends
//   format/     protos + now -> text, pure
// Only main.cc and tests depend on this room. Its invariant: what a script can see (exit codes,
// field names of -o json) is stable.

#include <ostream>
#include <string>
#include <vector>

namespace paci::cli {

// Where a command writes. `out_is_terminal`: `out` is this process's standard output, and that is a
// terminal.
struct Streams {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
};

// Runs one command line, without the program's name, and returns the exit code of errors.h.
int RunPacictl(const std::vector<std::string>& args, const Streams& streams);

}  // namespace paci::cli
