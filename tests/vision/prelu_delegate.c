/* A TFLite external delegate in small: it computes every PRELU itself and leaves the rest alone.
 *
 * Built by the tests with -DSTEEPER=1.0f (right), another factor (a delegate that computes something
 * else), or -DREFUSES (one that has no device). Of TensorFlow Lite's C interface
 * (tensorflow/lite/core/c/common.h) only what is used is declared, in its order.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { OK = 0, FAILED = 1, PRELU = 54, MOST = 64 };

typedef struct { int size; int data[]; } Ints;
typedef struct { float scale; int32_t zero_point; } Quantisation;
typedef struct {
    int type;
    float *data;
    Ints *dims;
    Quantisation params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    void *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const Ints *dims_signature;
} Tensor;
typedef struct {
    Ints *inputs, *outputs, *intermediates, *temporaries;
    void *user_data, *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
    void *delegate;
    bool might_have_side_effect;
} Node;
typedef struct Context Context;
typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *async_kernel;
    uint64_t inplace_operator;
} Registration;
typedef struct Delegate Delegate;
struct Context {
    size_t tensors_size;
    int (*GetExecutionPlan)(Context *, Ints **);
    Tensor *tensors;
    void *impl_;
    void *ResizeTensor;
    void *ReportError;
    void *AddTensors;
    int (*GetNodeAndRegistration)(Context *, int, Node **, Registration **);
    int (*ReplaceNodeSubsetsWithDelegateKernels)(Context *, Registration, const Ints *, Delegate *);
};
struct Delegate {
    void *data_;
    int (*Prepare)(Context *, Delegate *);
    void *CopyFromBufferHandle, *CopyToBufferHandle, *FreeBufferHandle;
    int64_t flags;
    void *opaque_delegate_builder;
};
typedef struct { Delegate *delegate; Ints *nodes, *inputs, *outputs; } Params;

/* How many PRELUs were computed here since the library was loaded: the tests read it. */
int computed = 0;

typedef struct { int size; int in[MOST], slope[MOST], out[MOST]; } Work;

static void *begin(Context *context, const char *buffer, size_t length) {
    (void)length;
    const Params *params = (const Params *)buffer;
    Work *work = calloc(1, sizeof *work);
    for (int i = 0; i < params->nodes->size && i < MOST; ++i) {
        Node *node;
        Registration *registration;
        context->GetNodeAndRegistration(context, params->nodes->data[i], &node, &registration);
        work->in[i] = node->inputs->data[0];
        work->slope[i] = node->inputs->data[1];
        work->out[i] = node->outputs->data[0];
        work->size = i + 1;
    }
    return work;
}

static void end(Context *context, void *work) {
    (void)context;
    free(work);
}

static int shaped(Context *context, Node *node) {
    (void)context, (void)node;
    return OK;
}

static int run(Context *context, Node *node) {
    const Work *work = node->user_data;
    for (int i = 0; i < work->size; ++i) {
        const Tensor *in = &context->tensors[work->in[i]], *out = &context->tensors[work->out[i]];
        const float *slope = context->tensors[work->slope[i]].data;
        size_t channels = context->tensors[work->slope[i]].bytes / sizeof(float);
        for (size_t j = 0; j < in->bytes / sizeof(float); ++j)
            out->data[j] = in->data[j] > 0 ? in->data[j] : STEEPER * slope[j % channels] * in->data[j];
        ++computed;
    }
    return OK;
}

static int take_over(Context *context, Delegate *delegate) {
    Ints *plan, *mine;
    if (context->GetExecutionPlan(context, &plan) != OK) return FAILED;
    mine = calloc(1, sizeof *mine + (size_t)plan->size * sizeof(int));
    for (int i = 0; i < plan->size; ++i) {
        Node *node;
        Registration *registration;
        context->GetNodeAndRegistration(context, plan->data[i], &node, &registration);
        if (registration->builtin_code == PRELU) mine->data[mine->size++] = plan->data[i];
    }
    Registration kernel = {begin, end, shaped, run, NULL, 0, "SmallPrelu", 1, NULL, NULL, 0};
    int status = context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, mine, delegate);
    free(mine);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report_error)(const char *)) {
    (void)keys, (void)values, (void)count;
#ifdef REFUSES
    report_error("there is no such device");
    return NULL;
#else
    (void)report_error;
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->Prepare = take_over;
    return delegate;
#endif
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
