#pragma once

#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "paci/v1/job.pb.h"

namespace paci {

// The field of a spec that a key stands for, through protobuf's reflection.

KeyValue GetField(const v1::JobSpec& spec, const JobKey& key);

// `value` has no problem (ProblemOf). Makes the section present.
void SetField(v1::JobSpec* spec, const JobKey& key, const KeyValue& value);

bool HasSection(const v1::JobSpec& spec, absl::string_view section);

// The words that stand for the values of the key's enum ("drain_first" for ORDER_DRAIN_FIRST);
// empty when it is none.
std::vector<std::string> EnumWords(const JobKey& key);

}  // namespace paci
