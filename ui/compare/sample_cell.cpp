// SPDX-License-Identifier: GPL-3.0-or-later
// Layout of a sample.
#include "ui/compare/sample_cell.h"

#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/format.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kPictureEdge = 112, kSmallEdge = 72;
constexpr std::size_t kInARow = 2, kMostPictures = 6;
}  // namespace

SampleCell::SampleCell(QWidget* parent) : QFrame(parent) {
  layout_ = new QVBoxLayout(this);
  layout_->setContentsMargins(10, 8, 10, 8);
  layout_->setSpacing(4);
}

/// All pictures of the sample, smaller where there are several.
void SampleCell::add_pictures(const std::vector<std::filesystem::path>& pictures) {
  const int edge = pictures.size() > 1 ? kSmallEdge : kPictureEdge;
  auto* grid = new QGridLayout;
  grid->setSpacing(4);
  const std::size_t shown = std::min(pictures.size(), kMostPictures);
  for (std::size_t i = 0; i < shown; ++i) {
    const QString file = path_text(pictures[i]);
    auto* label = new QLabel(this);
    label->setFixedHeight(edge);
    label->setToolTip(file);
    label->setAccessibleName(file);
    grid->addWidget(label, static_cast<int>(i / kInARow), static_cast<int>(i % kInARow));
    load_picture(file, edge, label, [label, edge](const QImage& image, const QString& error) {
      if (image.isNull()) {
        label->setText(error);
        return;
      }
      const auto how = image.width() < edge ? Qt::FastTransformation : Qt::SmoothTransformation;
      label->setPixmap(QPixmap::fromImage(image.scaled(edge, edge, Qt::KeepAspectRatio, how)));
    });
  }
  layout_->addLayout(grid);
  if (pictures.size() > shown) {
    QLabel* more = muted_label(this, 0.85);
    more->setText(tr("and %n more pictures", nullptr, static_cast<int>(pictures.size() - shown)));
    layout_->addWidget(more);
  }
}

void SampleCell::show_sample(const Sample& sample) {
  if (const auto pictures = sample.pictures(); !pictures.empty()) add_pictures(pictures);
  for (const RowFilm& film : sample.films()) {
    auto* strip = new QLabel(this);
    strip->setFixedHeight(kSmallEdge);
    strip->setAccessibleName(QString::fromStdString(film_name(film)));
    layout_->addWidget(strip);
    load_film(film, static_cast<int>(kInARow), kSmallEdge, strip,
              [strip](const QImage& image, const QString& error) {
                if (image.isNull())
                  strip->setText(error);
                else
                  strip->setPixmap(QPixmap::fromImage(image));
              });
    QLabel* name = muted_label(this, 0.85);
    name->setText(QString::fromStdString(film_name(film)));
    layout_->addWidget(name);
  }
  QLabel* words = text_label(this, true);
  words->setText(QString::fromStdString(sample.question()));
  layout_->addWidget(words);
  const QString expected = QString::fromStdString(sample.expected().value_or("")).trimmed();
  if (!expected.isEmpty()) {
    QLabel* wanted = muted_label(this, 0.85);
    wanted->setText(tr("expected: %1").arg(expected));
    auto* row = new QHBoxLayout;
    row->setSpacing(4);
    row->addWidget(wanted, 1);
    auto* score = new QToolButton(this);
    score->setObjectName(QStringLiteral("scoreExpected"));
    score->setAutoRaise(true);
    set_themed_icon(score, QStringLiteral("compare"));
    score->setToolTip(
        tr("Score the expected answer: how likely every column holds each of its tokens"));
    score->setAccessibleName(tr("Score the expected answer by every column"));
    connect(score, &QToolButton::clicked, this, &SampleCell::score_asked);
    row->addWidget(score, 0, Qt::AlignTop);
    layout_->addLayout(row);
  }
  layout_->addStretch(1);
}

QLabel* SampleCell::show_text(const QString& text) {
  QLabel* label = text_label(this, true);
  label->setText(text);
  layout_->addWidget(label);
  return label;
}

void SampleCell::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
