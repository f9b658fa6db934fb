#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What a worker says is kept up to so many bytes.
inline constexpr size_t kMaxTextBytes = 2000;

// `text`, or its beginning and an ellipsis; never half a UTF-8 character, which no message may
// have.
inline std::string CutText(absl::string_view text) {
  if (text.size() <= kMaxTextBytes) return std::string(text);
  size_t size = kMaxTextBytes - 3;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return std::string(text.substr(0, size)) + "...";
}

// Of all texts of a report that a worker is free to choose.
inline void CutTexts(v1::StageStatus& status) {
  status.set_error(CutText(status.error()));
  status.set_poison(CutText(status.poison()));
  for (v1::TokenData* data :
       {status.has_training_data() ? status.mutable_training_data() : nullptr,
        status.has_validation_data() ? status.mutable_validation_data() : nullptr}) {
    if (data != nullptr) data->set_checksum(CutText(data->checksum()));
  }
}

}  // namespace paci
