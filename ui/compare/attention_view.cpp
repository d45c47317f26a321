// SPDX-License-Identifier: GPL-3.0-or-later
// More attention is drawn in one colour of Okabe and Ito's, less in another; the words below say
// how much of it fell on the picture.
#include "ui/compare/attention_view.h"

#include <QComboBox>
#include <QGridLayout>
#include <QHelpEvent>
#include <QLabel>
#include <QPainter>
#include <QSignalBlocker>
#include <QToolTip>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kShownEdge = 640;
constexpr int kStrongest = 205;  // of 255: the picture shows through

QComboBox* chooser(QWidget* parent, const char* name) {
  auto* box = new QComboBox(parent);
  box->setObjectName(QString::fromLatin1(name));
  box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  box->setMinimumContentsLength(7);
  return box;
}

std::optional<std::int64_t> chosen_number(const QComboBox* box) {
  if (box->currentIndex() <= 0) return {};
  return box->currentIndex() - 1;
}

}  // namespace

AttentionPicture::AttentionPicture(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("attentionPicture"));
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
  connect(&Theme::instance(), &Theme::changed, this, qOverload<>(&QWidget::update));
}

void AttentionPicture::set_picture(const QImage& picture) {
  picture_ = picture;
  update();
}

void AttentionPicture::set_cells(const PictureGrid& grid, std::vector<double> shares,
                                 double largest) {
  grid_ = grid;
  shares_ = std::move(shares);
  largest_ = largest;
  update();
}

void AttentionPicture::clear_cells() {
  shares_.clear();
  update();
}

QRectF AttentionPicture::picture_rect() const {
  if (picture_.isNull()) return {};
  const double scale = std::min(static_cast<double>(width()) / picture_.width(),
                                static_cast<double>(height()) / picture_.height());
  const double wide = picture_.width() * scale, high = picture_.height() * scale;
  return {(width() - wide) / 2, (height() - high) / 2, wide, high};
}

QRectF AttentionPicture::cell_rect(std::size_t cell) const {
  if (grid_.columns < 1 || cell >= shares_.size()) return {};
  const QRectF whole = picture_rect();
  const QRectF part(whole.left() + grid_.left * whole.width(),
                    whole.top() + grid_.top * whole.height(), grid_.width * whole.width(),
                    grid_.height * whole.height());
  const auto row = static_cast<std::int64_t>(cell) / grid_.columns,
             column = static_cast<std::int64_t>(cell) % grid_.columns;
  const double wide = part.width() / static_cast<double>(grid_.columns),
               high = part.height() / static_cast<double>(grid_.rows);
  return {part.left() + static_cast<double>(column) * wide,
          part.top() + static_cast<double>(row) * high, wide, high};
}

void AttentionPicture::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::SmoothPixmapTransform);
  if (picture_.isNull()) return;
  p.drawImage(picture_rect(), picture_);
  if (shares_.empty() || largest_ <= 0) return;
  p.fillRect(picture_rect(), QColor(0, 0, 0, 70));
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    QColor colour = shares_[i] >= 0 ? QColor(0xf0, 0xe4, 0x42) : QColor(0x00, 0x9e, 0xff);
    const double share = std::min(1.0, std::abs(shares_[i]) / largest_);
    colour.setAlpha(static_cast<int>(share * kStrongest));
    p.fillRect(cell_rect(i), colour);
  }
}

bool AttentionPicture::event(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    if (!cell_rect(i).contains(help->pos())) continue;
    QToolTip::showText(help->globalPos(), number_text(shares_[i] * 100, 3) + QStringLiteral(" %"),
                       this);
    return true;
  }
  QToolTip::hideText();
  return true;
}

AttentionView::AttentionView(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(6);
  picture_ = new AttentionPicture(this);
  layout->addWidget(picture_, 1);
  note_ = muted_label(this, 0.85);
  note_->setObjectName(QStringLiteral("attentionNote"));
  layout->addWidget(note_);
  column_ = chooser(this, "attentionColumn");
  minus_ = chooser(this, "attentionMinus");
  layer_ = chooser(this, "attentionLayer");
  head_ = chooser(this, "attentionHead");
  which_ = chooser(this, "attentionWhich");
  auto* grid = new QGridLayout;
  grid->setSpacing(6);
  grid->addWidget(column_, 0, 0);
  grid->addWidget(minus_, 0, 1);
  grid->addWidget(layer_, 1, 0);
  grid->addWidget(head_, 1, 1);
  grid->addWidget(which_, 2, 0, 1, 2);
  layout->addLayout(grid);
  for (QComboBox* box : {column_, minus_, layer_, head_})
    connect(box, &QComboBox::currentIndexChanged, this, &AttentionView::refresh);
  connect(which_, &QComboBox::currentIndexChanged, this, [this] {
    show_picture();
    refresh();
  });
  on_language(this, [this] {
    column_->setAccessibleName(tr("Whose attention"));
    column_->setToolTip(tr("Whose attention"));
    minus_->setAccessibleName(tr("Less whose attention"));
    minus_->setToolTip(
        tr("What the column looks at more (yellow) and less (blue) than another one"));
    layer_->setAccessibleName(tr("Layer"));
    head_->setAccessibleName(tr("Attention head"));
    which_->setAccessibleName(tr("Which picture"));
    picture_->setAccessibleName(tr("Attention over the picture"));
    fill_choices();
    refresh();
  });
}

void AttentionView::set_sample(const Sample& sample) {
  sample_ = sample;
  attention_ = {};
  picture_->clear_cells();
  {
    const QSignalBlocker quiet(which_);
    which_->clear();
  }
  fill_choices();
  show_picture();
  refresh();
}

void AttentionView::show_picture() {
  const auto pictures = sample_.pictures();
  const auto which = static_cast<std::size_t>(std::max(0, which_->currentIndex()));
  picture_->set_picture({});
  if (which >= pictures.size()) return;
  load_picture(path_text(pictures[which]), kShownEdge, picture_,
               [this](const QImage& image, const QString&) { picture_->set_picture(image); });
}

void AttentionView::set_attention(const TokenAttention& attention, const QStringList& names,
                                  const QString& token) {
  attention_ = attention;
  names_ = names;
  token_ = token;
  note_text_.clear();
  fill_choices();
  refresh();
}

void AttentionView::set_names(const QStringList& names) {
  names_ = names;
  fill_choices();
  refresh();
}

void AttentionView::set_note(const QString& note) {
  attention_ = {};
  note_text_ = note;
  refresh();
}

void AttentionView::clear() { set_note(QString()); }

/// What is chosen stays chosen as long as it is there.
void AttentionView::fill_choices() {
  const auto fill = [](QComboBox* box, const QStringList& items, int fallback) {
    const QSignalBlocker quiet(box);
    const int before = box->count() > 0 ? box->currentIndex() : fallback;
    box->clear();
    box->addItems(items);
    if (!items.isEmpty())
      box->setCurrentIndex(before < items.size()
                               ? std::max(0, before)
                               : std::min<int>(fallback, static_cast<int>(items.size()) - 1));
  };
  QStringList minus{tr("alone")}, layers{tr("all layers")}, heads{tr("all heads")}, pictures;
  for (const QString& name : names_) minus << tr("minus %1").arg(name);
  if (!attention_.columns.empty()) {
    for (std::int64_t i = 1; i <= attention_.columns.front().layers; ++i)
      layers << tr("layer %1").arg(i);
    for (std::int64_t i = 1; i <= attention_.columns.front().heads; ++i)
      heads << tr("head %1").arg(i);
  }
  const auto count = static_cast<int>(sample_.pictures().size());
  for (int i = 1; i <= count; ++i) pictures << tr("picture %1 of %2").arg(i).arg(count);
  fill(column_, names_, 0);
  fill(minus_, minus, 0);
  fill(layer_, layers, 0);
  fill(head_, heads, 0);
  fill(which_, pictures, 0);
  which_->setVisible(count > 1);
}

void AttentionView::refresh() {
  const bool there = !attention_.columns.empty();
  for (QComboBox* box : {column_, minus_, layer_, head_}) box->setVisible(there);
  const auto which = static_cast<std::size_t>(std::max(0, which_->currentIndex()));
  const PictureGrid* grid = nullptr;
  for (const PictureGrid& each : attention_.grids)
    if (each.picture == which) grid = &each;
  if (!there || !grid) {
    picture_->clear_cells();
    note_->setText(!attention_.no_grid.empty() ? said_text(attention_.no_grid)
                   : there                     ? tr("The sample has no picture.")
                                               : note_text_);
    note_->setVisible(!note_->text().isEmpty());
    return;
  }
  const auto layer = chosen_number(layer_), head = chosen_number(head_);
  const auto shares_of = [&](int index) {
    const auto place = static_cast<std::size_t>(
        std::clamp<int>(index, 0, static_cast<int>(attention_.columns.size()) - 1));
    return on_grid(*grid, attention_.columns[place].mean(layer, head));
  };
  std::vector<double> shares = shares_of(column_->currentIndex());
  const double on_picture = std::accumulate(shares.begin(), shares.end(), 0.0);
  const auto other = chosen_number(minus_);
  double other_on_picture = 0;
  if (other) {
    const std::vector<double> less = shares_of(static_cast<int>(*other));
    other_on_picture = std::accumulate(less.begin(), less.end(), 0.0);
    for (std::size_t i = 0; i < shares.size(); ++i) shares[i] -= less[i];
  }
  double largest = 0;
  for (const double share : shares) largest = std::max(largest, std::abs(share));
  picture_->set_cells(*grid, std::move(shares), largest);
  const QString said =
      other ? tr("“%1”: %2 of the attention on the picture, %3 of the other's. Yellow: more, "
                 "blue: less.")
                  .arg(token_, percent_text(on_picture, 1), percent_text(other_on_picture, 1))
            : tr("“%1”: %2 of the attention on the picture.")
                  .arg(token_, percent_text(on_picture, 1));
  note_->setText(said + QLatin1Char(' ') +
                 tr("It shows what was mixed in, not why an answer came out."));
  note_->setVisible(true);
  picture_->setAccessibleDescription(said);
}

}  // namespace luthier
