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
           .target = &globals->timeout_seconds},
          {.name = "--tls-ca",
           .placeholder = "FILE",
           .help = "Certificate of the authority that the coordinator's is of",
           .target = &globals->security.tls.ca,
           .values = Argument::Values::kFile},
          {.name = "--tls-cert",
           .placeholder = "FILE",
           .help = "Your own certificate, if it is to say your role",
           .target = &globals->security.tls.certificate,
           .values = Argument::Values::kFile},
          {.name = "--tls-key",
           .placeholder = "FILE",
           .help = "Its key",
           .target = &globals->security.tls.key,
           .values = Argument::Values::kFile},
          {.name = "--token-file",
           .placeholder = "FILE",
           .help = "Holds the token that says who you are",
           .target = &globals->token_file,
           .values = Argument::Values::kFile},
          {.name = "--insecure",
           .placeholder = "",
           .help = "Neither encrypt nor authenticate; not needed on the coordinator's machine",
           .target = &globals->security.is_insecure}};
}

}  // namespace paci::cli
