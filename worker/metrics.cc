#include "worker/metrics.h"
