#include "common/config/spec_over.h"

namespace paci {

v1::JobSpec SpecOver(v1::JobSpec spec, uint32_t stages) {
  if (stages == spec.pipeline().stages()) return spec;
  spec.mutable_pipeline()->set_stages(stages);
  spec.mutable_pipeline()->clear_partition();
  return spec;
}

}  // namespace paci
