// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes and arrows, as widgets so that their text can be selected.
#include "ui/model/parts_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

PartBox::PartBox(QWidget* parent) : QFrame(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 10, 12, 14);
  layout->setSpacing(2);
  name_ = text_label(this);
  name_->setFont(scaled_font(1.0, true));
  parameters_ = text_label(this);
  sizes_ = muted_label(this, 0.85);
  for (QLabel* label : {name_, parameters_, sizes_}) layout->addWidget(label);
  layout->addStretch(1);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
}

void PartBox::show_part(const QString& name, const QString& sizes, const QString& parameters,
                        double share, const QColor& colour) {
  name_->setText(name);
  sizes_->setText(sizes);
  parameters_->setText(parameters);
  share_ = share;
  colour_ = colour;
  update();
}

void PartBox::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  p.setPen(QPen(colours().line, 1));
  p.setBrush(colours().card);
  p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8);
  const QRectF track(12, height() - 10, width() - 24, 4);
  p.setPen(Qt::NoPen);
  p.setBrush(colours().line);
  p.drawRoundedRect(track, 2, 2);
  p.setBrush(colour_);
  p.drawRoundedRect(
      QRectF(track.left(), track.top(), std::max(4.0, track.width() * share_), track.height()), 2,
      2);
}

PartsView::PartsView(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("partsView"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(6);
  const auto arrow = [this] {
    QLabel* label = muted_label(this, 0.82);
    label->setAlignment(Qt::AlignCenter);
    label->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Preferred);
    label->setFixedWidth(84);
    return label;
  };
  row->addWidget(picture_ = arrow());
  row->addWidget(tower_ = new PartBox(this), 4);
  row->addWidget(patches_ = arrow());
  row->addWidget(projector_ = new PartBox(this), 3);
  row->addWidget(tokens_ = arrow());
  row->addWidget(decoder_ = new PartBox(this), 4);
  on_language(this, [this] { refresh(); });
  connect(&Theme::instance(), &Theme::changed, this, &PartsView::refresh);
}

void PartsView::show_summary(const ModelSummary& summary, const PixelLimits& limits) {
  const bool same =
      summary.folder == summary_.folder && summary.parameters == summary_.parameters &&
      limits.min_pixels == limits_.min_pixels && limits.max_pixels == limits_.max_pixels;
  summary_ = summary;
  limits_ = limits;
  if (!same) {  // read off this thread: a disk may be slow
    facts_ = {};
    in_background_of(
        this, [summary, limits] { return picture_facts(summary, limits); },
        [this, asked = ++asked_](const PictureReading& facts) {
          if (asked != asked_) return;
          facts_ = facts;
          refresh();
        });
  }
  refresh();
}

void PartsView::show_arrows() {
  using Kind = PictureReading::Kind;
  const QString right = QStringLiteral("\n→");
  const auto range = [](std::int64_t least, std::int64_t most) {
    if (least == most) return grouped_text(least);
    return tr("%1 to %2").arg(grouped_text(least), grouped_text(most));
  };
  const PictureReading& f = facts_;
  QString picture, patches, about;
  QString tokens = f.most_tokens == 0   ? tr("tokens by its shape")
                   : f.most_tokens == 1 ? tr("one token")
                                        : tr("%1 tokens").arg(range(f.least_tokens, f.most_tokens));
  switch (f.kind) {
    case Kind::Fixed:
      picture = tr("picture\n%1 × %2").arg(f.width).arg(f.height);
      patches = tr("%1 patches").arg(grouped_text(f.most_patches));
      about = tr("Every picture is brought to %1 × %2 pixels.").arg(f.width).arg(f.height);
      break;
    case Kind::Tiles:
      picture = tr("picture\n%1 tiles\n%2 × %3")
                    .arg(range(f.least_tiles, f.most_tiles))
                    .arg(f.width)
                    .arg(f.height);
      patches = tr("%1 patches a tile").arg(grouped_text(f.most_patches));
      about = tr("A picture's shape decides into how many tiles of %1 × %2 pixels it is cut.")
                  .arg(f.width)
                  .arg(f.height);
      break;
    case Kind::Patches:
      picture = tr("picture\nof any size");
      patches = tr("%1 patches").arg(range(f.least_patches, f.most_patches));
      about =
          tr("A picture keeps its shape, and its size decides how many patches it has, between the "
             "bounds of the "
             "picture processor or those of the settings.");
      break;
    case Kind::Unknown:
      picture = tr("picture");
      patches = tr("patches");
      tokens = tr("tokens");
  }
  picture_->setText(picture + right);
  patches_->setText(patches + right);
  tokens_->setText(tokens + right);
  for (QLabel* label : {picture_, patches_, tokens_}) label->setToolTip(about);
}

void PartsView::refresh() {
  const ModelGeometry& g = summary_.geometry;
  const auto count = [this](const char* part) {
    for (const auto& [name, parameters] : summary_.parts)
      if (name == part) return parameters;
    return std::int64_t{0};
  };
  const auto show = [&](PartBox* box, const QString& name, const char* part, const QString& sizes,
                        std::size_t colour) {
    const double share = summary_.parameters > 0 ? static_cast<double>(count(part)) /
                                                       static_cast<double>(summary_.parameters)
                                                 : 0;
    box->show_part(name, sizes, tr("%1 · %2").arg(count_text(count(part)), percent_text(share, 1)),
                   share, colours().series[colour]);
  };
  show(tower_, tr("Vision tower"), "vision_tower",
       g.vision_layers > 0 ? tr("%1 layers, width %2, %3 heads")
                                 .arg(g.vision_layers)
                                 .arg(g.vision_hidden_size)
                                 .arg(g.vision_heads)
                           : tr("no layers, width %1").arg(g.vision_hidden_size),
       0);
  show(projector_, tr("Projector"), "projector",
       tr("%1 → %2").arg(g.vision_hidden_size).arg(g.hidden_size), 4);
  show(decoder_, tr("Language model"), "language_model",
       tr("%1 layers, width %2, %3 heads, %4 words")
           .arg(g.num_hidden_layers)
           .arg(g.hidden_size)
           .arg(g.num_attention_heads)
           .arg(grouped_text(g.vocab_size)),
       2);
  show_arrows();
  const std::initializer_list<QWidget*> of_pictures{picture_, tower_, patches_, projector_,
                                                    tokens_};
  for (QWidget* each : of_pictures) each->setVisible(summary_.pictures.has_value());
}

}  // namespace luthier
