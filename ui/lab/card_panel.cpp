// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/card_panel.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPixmap>
#include <QScrollArea>
#include <QTabWidget>
#include <algorithm>
#include <cmath>

#include "ui/engine_words.h"
#include "ui/format.h"
#include "ui/lab/card_map.h"
#include "ui/lab/mask_view.h"
#include "ui/lab/matrix_view.h"
#include "ui/lab/token_strip.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/train/curve_plot.h"
#include "ui/widgets/pager.h"

namespace luthier {

namespace {

constexpr int kDrawMilliseconds = 250, kPictureSide = 84, kRebuiltSide = 126, kLowestLooks = 150;

/// The likenesses of a batch as shares: of each text, how much of it goes to each picture.
ShownMatrix shares_of(const BatchLook& look) {
  ShownMatrix matrix;
  const auto side = static_cast<std::int64_t>(look.pairs);
  matrix.rows = matrix.columns = matrix.cell_rows = matrix.cell_columns = side;
  matrix.largest = 1;
  matrix.cells.resize(look.likeness.size());
  double squares = 0;
  for (std::size_t text = 0; text < look.pairs; ++text) {
    const auto row = look.likeness.begin() + static_cast<std::ptrdiff_t>(text * look.pairs);
    const double most = *std::max_element(row, row + side);
    double sum = 0;
    for (std::size_t i = 0; i < look.pairs; ++i)
      sum += std::exp(row[static_cast<std::ptrdiff_t>(i)] - most);
    for (std::size_t i = 0; i < look.pairs; ++i) {
      const double share = std::exp(row[static_cast<std::ptrdiff_t>(i)] - most) / sum;
      matrix.cells[text * look.pairs + i] = static_cast<float>(share);
      squares += share * share;
    }
  }
  matrix.norm = std::sqrt(squares);
  return matrix;
}

void show_picture(QLabel* label, const std::string& file) {
  const QPixmap picture(QString::fromStdString(file));
  label->setVisible(!picture.isNull());
  if (!picture.isNull())
    label->setPixmap(
        picture.scaled(kPictureSide, kPictureSide, Qt::KeepAspectRatio, Qt::SmoothTransformation));
}

QImage image_of(const Image& image) {
  return QImage(image.rgb.data(), image.width, image.height, 3 * image.width, QImage::Format_RGB888)
      .copy();
}

/// What was seen of a picture, what the model makes of it, and the picture.
void show_rebuilt(QLabel* label, const LookRow& row) {
  constexpr int kBetween = 8;
  const QImage images[] = {image_of(row.seen), image_of(row.rebuilt),
                           QImage(QString::fromStdString(row.picture))};
  QPixmap together(3 * kRebuiltSide + 2 * kBetween, kRebuiltSide);
  together.fill(Qt::transparent);
  QPainter painter(&together);
  int left = 0;
  for (const QImage& image : images) {
    painter.drawImage(QRect(left, 0, kRebuiltSide, kRebuiltSide), image);
    left += kRebuiltSide + kBetween;
  }
  painter.end();
  label->setPixmap(together);
  label->show();
}

}  // namespace

CardPanel::CardPanel(LabRuns& runs, std::size_t place, QWidget* parent)
    : Card(parent), runs_(runs), place_(place) {
  setObjectName(QStringLiteral("cardPanel%1").arg(place));
  state_ = muted_label(this, 0.88);
  state_->setWordWrap(false);
  state_->setObjectName(QStringLiteral("cardState%1").arg(place));
  head()->addWidget(state_);
  figure_ = text_label(this);
  figure_->setObjectName(QStringLiteral("cardFigure%1").arg(place));
  figure_->setFont(scaled_font(1.25, true));
  facts_ = muted_label(this, 0.88);
  learns_ = text_label(this, true);
  body()->addWidget(learns_);
  body()->addWidget(facts_);
  body()->addWidget(figure_);
  looks_ = new QTabWidget(this);
  looks_->setObjectName(QStringLiteral("cardLooks%1").arg(place));
  looks_->setDocumentMode(true);
  looks_->setMinimumHeight(scaled_length(kLowestLooks));  // on a low screen they scroll
  looks_->addTab(make_batch(), QString());
  looks_->addTab(make_result(), QString());
  looks_->addTab(make_curve(), QString());
  body()->addWidget(looks_, 1);
  draw_.setSingleShot(true);
  draw_.setInterval(kDrawMilliseconds);
  connect(&draw_, &QTimer::timeout, this, &CardPanel::draw_curve);
  connect(looks_, &QTabWidget::currentChanged, this, &CardPanel::look_changed);
  connect(&runs, &LabRuns::changed, this, [this](int changed) {
    if (changed == static_cast<int>(place_)) render();
  });
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    figure_->setFont(scaled_font(1.25, true));
    draw_curve();
  });
  on_language(this, [this] { retranslate(); });
}

QScrollArea* CardPanel::scrolled(QWidget* content) {
  auto* area = new QScrollArea(this);
  area->setWidgetResizable(true);
  area->setFrameShape(QFrame::NoFrame);
  area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  area->setWidget(content);
  area->viewport()->setAutoFillBackground(false);
  content->setAutoFillBackground(false);
  return area;
}

QWidget* CardPanel::make_batch() {
  auto* page = new QWidget(looks_);
  auto* across = new QHBoxLayout(page);
  across->setContentsMargins(0, 6, 0, 0);
  across->setSpacing(10);
  mask_ = new MaskView(page);
  mask_->setObjectName(QStringLiteral("cardMask%1").arg(place_));
  across->addWidget(mask_, 5);
  auto* right = new QWidget(page);
  auto* down = new QVBoxLayout(right);
  down->setContentsMargins(0, 0, 0, 0);
  down->setSpacing(6);
  look_at_ = text_label(right, true);
  down->addWidget(look_at_);
  picture_ = new QLabel(right);
  down->addWidget(picture_);
  batch_ = new TokenStrip(right);
  batch_->setObjectName(QStringLiteral("cardBatch%1").arg(place_));
  down->addWidget(batch_);
  rows_ = muted_label(right, 0.85);
  down->addWidget(rows_);
  down->addStretch(1);
  auto* side = new QWidget(page);
  auto* column = new QVBoxLayout(side);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(4);
  column->addWidget(scrolled(right), 1);
  pager_ = new Pager(QStringLiteral("CardRow%1").arg(place_), side);
  column->addWidget(pager_, 0, Qt::AlignLeft);
  across->addWidget(side, 6);
  connect(mask_, &MaskView::chose, this, [this](int token) {
    batch_->look_from(token < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(token)));
  });
  connect(pager_, &Pager::turned, this, [this](std::size_t row) {
    row_ = row;
    render();
  });
  return page;
}

QWidget* CardPanel::make_result() {
  auto* page = new QWidget(looks_);
  auto* column = new QVBoxLayout(page);
  column->setContentsMargins(0, 6, 0, 0);
  auto* content = new QWidget(page);
  auto* down = new QVBoxLayout(content);
  down->setContentsMargins(0, 0, 0, 0);
  down->setSpacing(6);
  text_ = muted_label(content, 0.95);
  down->addWidget(text_);
  picture_after_ = new QLabel(content);
  down->addWidget(picture_after_);
  said_ = text_label(content, true);
  said_->setObjectName(QStringLiteral("cardSaid%1").arg(place_));
  down->addWidget(said_);
  told_ = new TokenStrip(content);
  told_->setObjectName(QStringLiteral("cardTold%1").arg(place_));
  down->addWidget(told_);
  matrix_ = new MatrixView(content);
  matrix_->setObjectName(QStringLiteral("cardMatrix%1").arg(place_));
  matrix_->setMinimumHeight(190);
  down->addWidget(matrix_, 1);
  down->addStretch(0);
  column->addWidget(scrolled(content), 1);
  pager_after_ = new Pager(QStringLiteral("CardResult%1").arg(place_), page);
  column->addWidget(pager_after_, 0, Qt::AlignLeft);
  connect(pager_after_, &Pager::turned, this, [this](std::size_t row) {
    row_ = row;
    render();
  });
  return page;
}

QWidget* CardPanel::make_curve() {
  curve_ = new CurvePlot(QStringLiteral("cardCurve%1").arg(place_), looks_);
  return curve_;
}

void CardPanel::show_look(int look) { looks_->setCurrentIndex(look); }
int CardPanel::look() const { return looks_->currentIndex(); }

const LookRow* CardPanel::row_of(const std::shared_ptr<const BatchLook>& look) const {
  return look && row_ < look->rows.size() ? &look->rows[row_] : nullptr;
}

QString CardPanel::state_words(const OpenCard& card) const {
  switch (card.state) {
    case OpenCard::State::Idle: return {};
    case OpenCard::State::Preparing: return tr("Making rows and a model");
    case OpenCard::State::Waiting: return tr("Waits for its turn");
    case OpenCard::State::Running:
      return tr("Step %1 of %2, %3 left")
          .arg(card.step)
          .arg(card.total)
          .arg(duration_text(card.eta_seconds));
    case OpenCard::State::Finished:
      return tr("%1 steps in %2").arg(card.total).arg(duration_text(card.seconds));
    case OpenCard::State::Stopped: return tr("Stopped");
    case OpenCard::State::Failed: return tr("Failed");
  }
  return {};
}

void CardPanel::render() {
  const OpenCard* card = runs_.open(place_);
  setVisible(card != nullptr);
  if (!card) {
    row_ = 0;
    return;
  }
  render_head(*card);
  render_batch(*card);
  render_result(*card);
  if (!draw_.isActive()) draw_.start();
}

void CardPanel::render_head(const OpenCard& card) {
  set_title(lab_text(card.card.title));
  state_->setText(state_words(card));
  learns_->setText(lab_text(card.card.learns));
  const CardPlace& at = card.card.place;
  facts_->setText(QStringList{lab_text(fusion_name(at.fusion)), lab_text(pattern_name(at.pattern)),
                              lab_text(mechanism_name(at.mechanism)),
                              tr("objective %1").arg(QString::fromStdString(at.objective)),
                              tr("mask: %1").arg(lab_text(mask_name(at.mask)))}
                      .join(QStringLiteral(" · ")));
  const QString goal = tr("stated: %1 in %2 minutes on two cores")
                           .arg(number_text(card.card.goal, 2), number_text(card.card.minutes, 2));
  const QString name = lab_text(card.card.figure_is);
  figure_->setText(card.value() ? QStringLiteral("%1  %2").arg(number_text(*card.value(), 3), name)
                                : name);
  figure_->setToolTip(goal);
  const bool short_of = card.state == OpenCard::State::Finished && card.value() &&
                        *card.value() < card.card.goal && card.total >= card.card.steps;
  set_ink(figure_, short_of ? Ink::Warning : Ink::Text);
  if (card.error) {
    state_->setText(engine_text(*card.error));
    set_ink(state_, Ink::Error);
  } else {
    set_ink(state_, Ink::Muted);
  }
  rows_->setText(card.before || card.error ? goal : tr("Making rows and a model"));
}

void CardPanel::render_batch(const OpenCard& card) {
  look_at_->setText(lab_text(card.card.look));
  const LookRow* row = row_of(card.before);
  mask_->setVisible(row);
  batch_->setVisible(row);
  pager_->set_place(row_, 1, card.before ? card.before->rows.size() : 0);
  if (!row) {
    shown_before_.reset();
    picture_->hide();
    return;
  }
  if (shown_before_ == card.before && shown_row_ == row_) return;
  shown_before_ = card.before;
  mask_->set_row(*row);
  batch_->set_row(*row, false);
  show_picture(picture_, row->picture);
}

void CardPanel::render_result(const OpenCard& card) {
  const LookRow* row = row_of(card.after);
  const bool towers = card.after && card.after->pairs > 0;
  pager_after_->set_place(row_, 1, towers || !card.after ? 0 : card.after->rows.size());
  matrix_->setVisible(towers);
  const bool rebuilt = row && !row->rebuilt.rgb.empty();
  told_->setVisible(row && !towers && !rebuilt && row->said.empty());
  said_->setVisible(row && !row->said.empty());
  text_->setVisible(!row || towers || rebuilt || !row->text.empty());
  const bool same = shown_after_ == card.after && shown_row_ == row_;
  shown_row_ = row_;
  if (!row) {
    shown_after_.reset();
    picture_after_->hide();
    text_->setText(card.at_work()
                       ? tr("What the model makes of these rows stands here when it has trained.")
                       : tr("Train the card: then the same rows stand here with what the model "
                            "makes of them."));
    return;
  }
  if (same) return;
  shown_after_ = card.after;
  if (towers) {
    picture_after_->hide();
    text_->setText(
        tr("Each line is a text, each column a picture; a text's own picture is on the "
           "diagonal. The deeper, the larger the share that the model gives it."));
    matrix_->set_matrix(tr("Texts and pictures"), shares_of(*card.after), 1);
    return;
  }
  if (rebuilt) {
    show_rebuilt(picture_after_, *row);
    text_->setText(
        tr("On the left what the model sees of the picture, in the middle what it makes of it, on "
           "the right the picture."));
    return;
  }
  show_picture(picture_after_, row->picture);
  text_->setText(QString::fromStdString(row->text));
  if (!row->said.empty())
    said_->setText(tr("The model answers: %1").arg(QString::fromStdString(row->said)));
  told_->set_row(*row, true);
  if (row->said.empty() && !row->text.empty())
    text_->setText(tr("As it was written: %1").arg(QString::fromStdString(row->text)));
}

void CardPanel::draw_curve() {
  const OpenCard* card = runs_.open(place_);
  if (!card) return;
  const Colours& c = colours();
  std::vector<Curve> curves;
  const auto curve_of = [&](const QString& name, const QColor& colour, const auto& points) {
    Curve curve;
    curve.name = name;
    curve.colour = colour;
    for (const auto& [step, value] : points) {
      curve.x << static_cast<double>(step);
      curve.y << static_cast<double>(value);
    }
    curve.digits = 3;
    return curve;
  };
  if (!card->figure.empty()) {
    const std::int64_t last = std::max(card->figure.back().first, card->total);
    const auto level = [&](const QString& name, const QColor& colour, double at) {
      Curve curve =
          curve_of(name, colour, std::vector<std::pair<std::int64_t, double>>{{0, at}, {last, at}});
      curve.width = 1.5;
      curve.mark = LegendEntry::Mark::Dashed;
      curves.push_back(std::move(curve));
    };
    level(tr("stated"), c.good, card->card.goal);
    if (card->card.chance > 0) level(tr("a guess"), c.muted, card->card.chance);
  }
  curves.push_back(curve_of(lab_text(card->card.figure_is), c.series[0], card->figure));
  if (!card->loss.empty()) {
    curves.push_back(curve_of(tr("loss"), c.series[1], card->loss));
    curves.back().width = 1.2;
  }
  curve_->set_scale(true);
  curve_->set_ceiling(1.5);
  curve_->set_counted();
  curve_->set_curves(std::move(curves));
  if (curve_->has_data()) curve_->set_x_range(curve_->data_range());
  curve_->draw_soon();
}

void CardPanel::retranslate() {
  looks_->setTabText(0, tr("The batch"));
  looks_->setTabText(1, tr("What it makes of it"));
  looks_->setTabText(2, tr("Curve"));
  curve_->set_title(tr("By steps"));
  shown_before_.reset();
  shown_after_.reset();
  render();
}

}  // namespace luthier
