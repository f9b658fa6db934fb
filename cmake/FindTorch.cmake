# LibTorch from the unpacked PyPI wheels (scripts/setup.sh), as imported targets:
#   Torch::cpu    headers, libtorch_cpu, libc10. The wheel's own TorchConfig.cmake demands a CUDA compiler.
set(PACI_DEPS ${PROJECT_SOURCE_DIR}/.deps CACHE PATH "Folder that scripts/setup.sh unpacked the wheels into")

find_path(TORCH_INCLUDE torch/csrc/api/include/torch/torch.h PATHS ${PACI_DEPS}/torch/include NO_DEFAULT_PATH)
find_library(TORCH_CPU_LIBRARY torch_cpu PATHS ${PACI_DEPS}/torch/lib NO_DEFAULT_PATH)
find_library(TORCH_C10_LIBRARY c10 PATHS ${PACI_DEPS}/torch/lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Torch
  REQUIRED_VARS TORCH_INCLUDE TORCH_CPU_LIBRARY TORCH_C10_LIBRARY
  REASON_FAILURE_MESSAGE "LibTorch is not in ${PACI_DEPS}. `./run build` unpacks it, -DPACI_WORKER=OFF builds without.")

if(Torch_FOUND AND NOT TARGET Torch::cpu)
  add_library(Torch::c10 SHARED IMPORTED)
  set_target_properties(Torch::c10 PROPERTIES IMPORTED_LOCATION ${TORCH_C10_LIBRARY})
  add_library(Torch::cpu SHARED IMPORTED)
  set_target_properties(Torch::cpu PROPERTIES
    IMPORTED_LOCATION ${TORCH_CPU_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES "${TORCH_INCLUDE};${TORCH_INCLUDE}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES Torch::c10
    # libtorch_cpu finds libcudart and libcupti through its own RPATH, beside it; the link need not.
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined")
endif()
