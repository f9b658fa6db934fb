#pragma once

#include "common/schedule/schedule.h"
#include "paci/v1/job.pb.h"

namespace paci {

// The shape of the run that a valid spec asks for. Under emulation there is nothing to validate or
// to keep, whatever the spec says of it.
ScheduleConfig ScheduleConfigOf(const v1::JobSpec& spec, int64_t first_update = 0);

}  // namespace paci
