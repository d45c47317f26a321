// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/device.h"

#include <torch/cuda.h>

namespace luthier {

Result<torch::Device> choose_device(const std::string& name) {
  const bool cuda = torch::cuda::is_available();
  if (name == "auto") return torch::Device(cuda ? torch::kCUDA : torch::kCPU);
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == "cuda" || name.starts_with("cuda:")) {
    const std::string number = name == "cuda" ? "0" : name.substr(5);
    if (number.empty() || number.size() > 3 ||
        number.find_first_not_of("0123456789") != std::string::npos) {
      return input_error("\"" + name + "\" is not a device.", "device",
                         "Use auto, cpu, cuda or cuda:N.");
    }
    const int index = std::stoi(number);
    if (!cuda || index >= static_cast<int>(torch::cuda::device_count())) {
      return machine_error("There is no CUDA device " + number + " on this machine.", "device",
                           "Use device: cpu, or auto.");
    }
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
  }
  return input_error("\"" + name + "\" is not a device.", "device",
                     "Use auto, cpu, cuda or cuda:N.");
}

Result<torch::ScalarType> choose_dtype(const std::string& name, torch::Device device) {
  if (name == "auto") return device.is_cuda() ? torch::kBFloat16 : torch::kFloat32;
  if (name == "float32") return torch::kFloat32;
  if (name == "bfloat16") return torch::kBFloat16;
  return input_error("\"" + name + "\" is not a compute type.", "dtype",
                     "Use auto, float32 or bfloat16.");
}

torch::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::BOOL: return torch::kBool;
    case DType::U8: return torch::kUInt8;
    case DType::I8: return torch::kInt8;
    case DType::I16: return torch::kInt16;
    case DType::U16: return torch::kUInt16;
    case DType::F16: return torch::kFloat16;
    case DType::BF16: return torch::kBFloat16;
    case DType::I32: return torch::kInt32;
    case DType::U32: return torch::kUInt32;
    case DType::F32: return torch::kFloat32;
    case DType::F64: return torch::kFloat64;
    case DType::I64: return torch::kInt64;
    case DType::U64: return torch::kUInt64;
    case DType::F8_E4M3: return torch::kFloat8_e4m3fn;
    case DType::F8_E5M2: return torch::kFloat8_e5m2;
  }
  return torch::kFloat32;
}

DType file_dtype(torch::ScalarType type) {
  switch (type) {
    case torch::kBool: return DType::BOOL;
    case torch::kUInt8: return DType::U8;
    case torch::kInt8: return DType::I8;
    case torch::kInt16: return DType::I16;
    case torch::kUInt16: return DType::U16;
    case torch::kFloat16: return DType::F16;
    case torch::kBFloat16: return DType::BF16;
    case torch::kInt32: return DType::I32;
    case torch::kUInt32: return DType::U32;
    case torch::kFloat64: return DType::F64;
    case torch::kInt64: return DType::I64;
    case torch::kUInt64: return DType::U64;
    case torch::kFloat8_e4m3fn: return DType::F8_E4M3;
    case torch::kFloat8_e5m2: return DType::F8_E5M2;
    default: return DType::F32;
  }
}

}  // namespace luthier
