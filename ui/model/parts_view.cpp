// SPDX-License-Identifier: GPL-3.0-or-later
// Boxes and arrows, as widgets so that their text can be selected.
#include "ui/model/parts_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

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

void PartBox::show_part(const QString& name, const QString& sizes, const QString& parameters, double share, const QColor& colour) {
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
  p.drawRoundedRect(QRectF(track.left(), track.top(), std::max(4.0, track.width() * share_), track.height()), 2, 2);
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
    label->setFixedWidth(76);
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

void PartsView::show_summary(const ModelSummary& summary) {
  summary_ = summary;
  refresh();
}

void PartsView::refresh() {
  const ModelGeometry& g = summary_.geometry;
  const auto count = [this](const char* part) {
    for (const auto& [name, parameters] : summary_.parts)
      if (name == part) return parameters;
    return std::int64_t{0};
  };
  const auto show = [&](PartBox* box, const QString& name, const char* part, const QString& sizes, std::size_t colour) {
    const double share = summary_.parameters > 0 ? static_cast<double>(count(part)) / static_cast<double>(summary_.parameters) : 0;
    box->show_part(name, sizes, tr("%1 · %2").arg(count_text(count(part)), percent_text(share, 1)), share, colours().series[colour]);
  };
  const QString right = QStringLiteral("→");
  picture_->setText(tr("picture\n%1 × %2\n%3").arg(g.image_width).arg(g.image_height).arg(right));
  show(tower_, tr("Vision tower"), "vision_tower", tr("%1 layers, width %2, %3 heads").arg(g.vision_layers).arg(g.vision_hidden_size).arg(g.vision_heads), 0);
  patches_->setText(tr("%1 patches\n%2").arg(grouped_text(g.vision_tokens), right));
  show(projector_, tr("Projector"), "projector", tr("%1 → %2").arg(g.vision_hidden_size).arg(g.hidden_size), 4);
  tokens_->setText(tr("%1 tokens\n%2").arg(grouped_text(g.image_tokens), right));
  show(decoder_, tr("Language model"), "language_model",
       tr("%1 layers, width %2, %3 heads, %4 words").arg(g.num_hidden_layers).arg(g.hidden_size).arg(g.num_attention_heads).arg(grouped_text(g.vocab_size)), 2);
}

}  // namespace luthier
