#include "cli/verb.h"

namespace paci::cli {

std::string FormatName(Format format) {
  switch (format) {
    case Format::kTable:
      return "table";
    case Format::kJson:
      return "json";
    case Format::kYaml:
      return "yaml";
    case Format::kCsv:
      return "csv";
    case Format::kRaw:
      return "raw";
  }
  return "";
}

std::vector<Argument> GlobalArguments(Globals* globals, std::string* format) {
  return {{.name = "--coordinator",
           .placeholder = "HOST:PORT",
           .help = "Where the coordinator listens",
           .target = &globals->coordinator},
          {.name = "-o,--output",
           .placeholder = "FORMAT",
           .help = "table, json or yaml; metrics also csv, generate also raw",
           .target = format},
          {.name = "--timeout",
           .placeholder = "SECONDS",
           .help = "How long to wait for an answer: 10, but 130 for generate and 90 for trace",
           .target = &globals->timeout_seconds}};
}

}  // namespace paci::cli
