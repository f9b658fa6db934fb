# paci_proto_library(NAME FILES ...): messages and gRPC stubs, generated into the build folder. Generated code is held
# to no warning of ours.
function(paci_proto_library NAME)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(OUT ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${OUT})
  set(SOURCES "")
  foreach(FILE ${ARG_FILES})
    string(REPLACE ".proto" "" STEM ${FILE})
    set(MADE ${OUT}/${STEM}.pb.cc ${OUT}/${STEM}.grpc.pb.cc)
    add_custom_command(
      OUTPUT ${MADE} ${OUT}/${STEM}.pb.h ${OUT}/${STEM}.grpc.pb.h
      COMMAND protobuf::protoc -I ${PROJECT_SOURCE_DIR}/proto --cpp_out=${OUT} --grpc_out=${OUT}
              --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${FILE}
      DEPENDS ${ARG_FILES}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/proto
      VERBATIM)
    list(APPEND SOURCES ${MADE})
  endforeach()
  add_library(${NAME} STATIC ${SOURCES})
  target_include_directories(${NAME} SYSTEM PUBLIC ${OUT})
  target_link_libraries(${NAME} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
  if(PACI_SANITIZE)
    target_compile_options(${NAME} PRIVATE -fsanitize=${PACI_SANITIZE})
  endif()
endfunction()
