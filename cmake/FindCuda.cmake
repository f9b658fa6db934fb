# Headers of the CUDA runtime and of NCCL from the unpacked PyPI wheels (scripts/setup.sh):
#   Cuda::headers    nothing to link: common/gpu loads the libraries at run time.
find_path(CUDA_INCLUDE cuda_runtime_api.h PATHS ${PACI_DEPS}/nvidia/cu13/include NO_DEFAULT_PATH)
find_path(NCCL_INCLUDE nccl.h PATHS ${PACI_DEPS}/nvidia/nccl/include NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Cuda
  REQUIRED_VARS CUDA_INCLUDE NCCL_INCLUDE
  REASON_FAILURE_MESSAGE "The headers of CUDA and NCCL are not in ${PACI_DEPS}. `./run build` unpacks them.")

if(Cuda_FOUND AND NOT TARGET Cuda::headers)
  add_library(Cuda::headers INTERFACE IMPORTED)
  set_target_properties(Cuda::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${CUDA_INCLUDE};${NCCL_INCLUDE}")
endif()
