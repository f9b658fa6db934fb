#pragma once

#include <gtest/gtest.h>

#include "common/config/job_file.h"
#include "common/config/job_reference.h"

namespace paci {

// A spec that keeps every rule, to break one at a time.
inline v1::JobSpec ValidSpec() {
  const auto spec = ParseJobFile(ExampleJobFile(), "example.yaml", {});
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : v1::JobSpec();
}

}  // namespace paci
