// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/picture_views.h"

#include <algorithm>
#include <cmath>

namespace luthier {

namespace {

using torch::Tensor;

enum ViewDraw : std::size_t {
  kArea,
  kForm,
  kLeft,
  kTop,
  kMirrored,
  kColoured,
  kBrightness,
  kContrast,
  kSaturation,
  kGrey
};
constexpr double kColouredShare = 0.8, kGreyShare = 0.2;

Tensor kept_part(const Tensor& picture, const double* draws, double smallest) {
  const std::int64_t height = picture.size(1), width = picture.size(2);
  const double area =
      static_cast<double>(height * width) * (smallest + (1 - smallest) * draws[kArea]);
  const double widest = std::log(4.0 / 3.0);
  const double form = std::exp(-widest + 2 * widest * draws[kForm]);  // width / height
  const auto side = [](double length, std::int64_t whole) {
    return std::clamp<std::int64_t>(std::llround(length), 1, whole);
  };
  const std::int64_t w = side(std::sqrt(area * form), width),
                     h = side(std::sqrt(area / form), height);
  const auto place = [](double draw, std::int64_t free) {
    return static_cast<std::int64_t>(draw * static_cast<double>(free + 1));
  };
  const Tensor part = picture.slice(2, place(draws[kLeft], width - w)).slice(2, 0, w);
  const Tensor whole = part.slice(1, place(draws[kTop], height - h)).slice(1, 0, h).unsqueeze(0);
  return at::_upsample_bilinear2d_aa(whole, {height, width}, /*align_corners=*/false).squeeze(0);
}

/// [1, height, width] of [3, height, width].
Tensor grey_of(const Tensor& picture) {
  return 0.2989 * picture.slice(0, 0, 1) + 0.587 * picture.slice(0, 1, 2) +
         0.114 * picture.slice(0, 2, 3);
}

Tensor blended(const Tensor& one, const Tensor& other, double share) {
  return (share * one + (1 - share) * other).clamp(0, 1);
}

Tensor recoloured(Tensor picture, const double* draws, double jitter) {
  const auto factor = [&](ViewDraw draw) {
    const double low = std::max(0.0, 1 - jitter);
    return low + (1 + jitter - low) * draws[draw];
  };
  picture = blended(picture, torch::zeros_like(picture), factor(kBrightness));
  picture = blended(picture, grey_of(picture).mean(), factor(kContrast));
  return blended(picture, grey_of(picture), factor(kSaturation));
}

}  // namespace

std::vector<double> draw_view(RandomStream& draws) {
  std::vector<double> drawn;
  for (std::size_t i = 0; i < kViewDraws; ++i) drawn.push_back(draws.unit());
  return drawn;
}

Tensor along_colours(const std::array<double, 3>& values) {
  return torch::tensor({values[0], values[1], values[2]}, torch::kFloat64)
      .to(torch::kFloat32)
      .view({3, 1, 1});
}

Tensor picture_view(const Tensor& picture, const double* draws, const ViewSettings& settings,
                    const PictureColours& colours) {
  const auto on = picture.device();
  const Tensor mean = along_colours(colours.mean).to(on),
               deviation = along_colours(colours.deviation).to(on);
  Tensor view = kept_part(picture.to(torch::kFloat32), draws, settings.smallest);
  if (draws[kMirrored] < 0.5) view = view.flip({2});
  view = view * deviation + mean;
  if (draws[kColoured] < kColouredShare) view = recoloured(view, draws, settings.jitter);
  if (draws[kGrey] < kGreyShare) view = grey_of(view).expand_as(view);
  return ((view - mean) / deviation).to(picture.scalar_type());
}

}  // namespace luthier
