#pragma once

#include <string>

#include "tests/support/test_folder.h"

namespace paci {

// Each writes a job file, and what it names, into `folder` and returns its path. Tests change
// single keys with --set.

// Two stages of a model so small that an update takes about a millisecond, on text that it can
// learn: 40 updates, validation at 0, 20 and 40, no checkpoint.
std::string WriteRealJob(const TestFolder& folder);

// Two stages that take no processor: 2 ms forward, 3 ms backward, four micro-batches an update, and
// more updates than any test waits for.
std::string WriteEmulatedJob(const TestFolder& folder);

// The same text whenever it is asked for.
std::string SomeText(size_t bytes);

}  // namespace paci
