#include "worker/device/precision.h"

#include <ATen/autocast_mode.h>

namespace paci {

at::ScalarType ActivationType(const v1::JobSpec& spec) {
  return spec.train().precision() == v1::PRECISION_BF16 ? at::kBFloat16 : at::kFloat;
}

Autocast::Autocast(v1::Precision precision, at::DeviceType device)
    : is_on_(precision == v1::PRECISION_BF16_AUTOCAST), device_(device) {
  if (!is_on_) return;
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
}

Autocast::~Autocast() {
  if (!is_on_) return;
  at::autocast::set_autocast_enabled(device_, false);
  at::autocast::clear_cache();
}

}  // namespace paci
