#pragma once

#include <string>

namespace paci {

// docs/job-file.md, from the tables of this room.
std::string JobFileReference();

// A small job file that is valid; the reference shows it.
std::string ExampleJobFile();

}  // namespace paci
