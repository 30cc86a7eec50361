//! What a review costs, in counted steps of the built policy: in proportion to the object's bytes, whatever
//! the object is made of. Any author of an object would else stop everybody's admissions.

use std::fmt::Write as _;
use std::sync::LazyLock;

use integration::policy_wasm;
use proptest::prelude::*;
use wasmtime::{Caller, Config, Engine, Extern, InstancePre, Linker, Module, Store};

/// Steps for each byte of a request, twice what the steepest shape takes, and for what a request may cost at
/// any size: 128 images among all registries.
const PER_BYTE: u64 = 250;
/// The same of an ImagePullSecret, all of which is read and checked; few may write one.
const PER_BYTE_OF_OURS: u64 = 1000;
const FIXED: u64 = 60_000_000;

struct Call {
    payload: Vec<u8>,
    response: Vec<u8>,
    /// What the last question to the cluster was answered.
    answer: Vec<u8>,
}

static POLICY: LazyLock<InstancePre<Call>> = LazyLock::new(|| {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config).expect("the engine starts");
    let module = Module::from_file(&engine, policy_wasm()).expect("the policy compiles");
    let mut linker = Linker::new(&engine);
    add_wapc(&mut linker).expect("each import is defined once");
    linker.instantiate_pre(&module).expect("the policy imports from wapc only")
});

fn add_wapc(linker: &mut Linker<Call>) -> wasmtime::Result<()> {
    let module = "wapc";
    linker.func_wrap(
        module,
        "__guest_request",
        |mut caller: Caller<'_, Call>, operation: u32, payload: u32| {
            let bytes = std::mem::take(&mut caller.data_mut().payload);
            write(&mut caller, operation, b"validate");
            write(&mut caller, payload, &bytes);
            caller.data_mut().payload = bytes;
        },
    )?;
    linker.func_wrap(module, "__guest_response", |mut caller: Caller<'_, Call>, at: u32, length: u32| {
        caller.data_mut().response = read(&mut caller, at, length);
    })?;
    linker.func_wrap(
        module,
        "__guest_error",
        |mut caller: Caller<'_, Call>, at: u32, length: u32| -> wasmtime::Result<()> {
            let error = read(&mut caller, at, length);
            Err(wasmtime::Error::msg(String::from_utf8_lossy(&error).into_owned()))
        },
    )?;
    linker.func_wrap(
        module,
        "__host_call",
        |mut caller: Caller<'_, Call>,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         at: u32,
         length: u32,
         _: u32,
         _: u32| {
            let operation = read(&mut caller, at, length);
            let is_list = operation == b"list_resources_all";
            caller.data_mut().answer = if is_list { LISTING.clone() } else { b"{}".to_vec() };
            1
        },
    )?;
    linker.func_wrap(module, "__host_response_len", |caller: Caller<'_, Call>| {
        u32::try_from(caller.data().answer.len()).expect("it is small")
    })?;
    linker.func_wrap(module, "__host_response", |mut caller: Caller<'_, Call>, at: u32| {
        let answer = caller.data().answer.clone();
        write(&mut caller, at, &answer);
    })?;
    linker.func_wrap(module, "__host_error_len", |_: Caller<'_, Call>| 0_u32)?;
    linker.func_wrap(module, "__host_error", |_: Caller<'_, Call>, _: u32| {})?;
    linker.func_wrap(module, "__console_log", |_: Caller<'_, Call>, _: u32, _: u32| {})?;
    Ok(())
}

fn memory(caller: &mut Caller<'_, Call>) -> wasmtime::Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("a guest has a memory")
}

fn read(caller: &mut Caller<'_, Call>, at: u32, length: u32) -> Vec<u8> {
    let memory = memory(caller);
    memory.data(caller)[at as usize..][..length as usize].to_vec()
}

fn write(caller: &mut Caller<'_, Call>, at: u32, bytes: &[u8]) {
    let memory = memory(caller);
    memory.data_mut(caller)[at as usize..][..bytes.len()].copy_from_slice(bytes);
}

/// ImagePullSecrets and registries of the settings, as many as a large cluster has.
const REGISTRIES: usize = 200;

static LISTING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let items = list(REGISTRIES, |n| {
        format!(
            r#"{{"metadata":{{"name":"d{n}"}},"spec":{{"namespaces":"*","serviceAccounts":"*","tcr":{{"instanceId":"tcr-d{n}","domains":["d{n}.tencentcloudcr.com"]}}}}}}"#
        )
    });
    format!(r#"{{"items":[{items}]}}"#).into_bytes()
});

static SETTINGS: LazyLock<String> = LazyLock::new(|| {
    let registries =
        list(REGISTRIES, |n| format!(r#"{{"name":"s{n}","hosts":["s{n}.tencentcloudcr.com"]}}"#));
    format!(r#"{{"discover":true,"declared":"reject","protect":"reject","registries":[{registries}]}}"#)
});

/// The policy's steps for a request, and the request's bytes.
fn steps(request: &str) -> (u64, u64) {
    let payload = format!(r#"{{"request":{request},"settings":{}}}"#, *SETTINGS).into_bytes();
    let length = u32::try_from(payload.len()).expect("it is small");
    let call = Call { payload, response: Vec::new(), answer: Vec::new() };
    let mut store = Store::new(POLICY.module().engine(), call);
    let most = u64::MAX / 2;
    store.set_fuel(most).expect("fuel is consumed");
    let instance = POLICY.instantiate(&mut store).expect("it starts");
    for initialiser in ["_initialize", "wapc_init"] {
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut store, initialiser) {
            function.call(&mut store, ()).expect("it initialises");
        }
    }
    let call = instance.get_typed_func::<(u32, u32), i32>(&mut store, "__guest_call").expect("it is a guest");
    let answered = call.call(&mut store, (8, length)).expect("it answers");
    assert_eq!(answered, 1);
    let answer = String::from_utf8_lossy(&store.data().response).into_owned();
    assert!(answer.starts_with(r#"{"accepted":"#), "{answer}");
    (most - store.get_fuel().expect("fuel is consumed"), request.len() as u64)
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0..count {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{}", item(n));
    }
    text
}

fn request(kind: &str, operation: &str, object: &str, old: &str) -> String {
    let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
    format!(
        r#"{{"uid":"u","kind":{{"group":"{group}","version":"v1","kind":"{kind}"}},"namespace":"shop","name":"x","operation":"{operation}","userInfo":{{"username":"me"}},"object":{object},"oldObject":{old}}}"#
    )
}

/// An object that is as large as `n` makes it.
type Shape = (&'static str, fn(usize) -> String);

const SHAPES: &[Shape] = &[
    ("a Pod with images of as many unknown hosts", |n| {
        let containers = list(n, |n| format!(r#"{{"name":"c","image":"h{n}.tencentcloudcr.com/a/b:v1"}}"#));
        pod("CREATE", &format!(r#""containers":[{containers}]"#), "null")
    }),
    ("a Pod with images of as many known hosts", |n| {
        let containers =
            list(n, |n| format!(r#"{{"image":"s{}.tencentcloudcr.com/a:{n}"}}"#, n % REGISTRIES));
        let volumes = list(n, |n| {
            format!(r#"{{"image":{{"reference":"d{}.tencentcloudcr.com/a:{n}"}}}}"#, n % REGISTRIES)
        });
        pod("CREATE", &format!(r#""containers":[{containers}],"volumes":[{volumes}]"#), "null")
    }),
    ("a Pod with images that are nearly the same and long", |n| {
        let same = "x".repeat(1000);
        let of = |tag: &str| list(n, |n| format!(r#"{{"image":"s1.tencentcloudcr.com/{same}:{tag}{n}"}}"#));
        let old = format!(r#"{{"spec":{{"containers":[{}]}}}}"#, of("a"));
        pod("UPDATE", &format!(r#""containers":[{}],"ephemeralContainers":[{}]"#, of("b"), of("c")), &old)
    }),
    ("a Pod whose images all change", |n| {
        let of = |tag: &str| list(n, |n| format!(r#"{{"image":"s{n}.tencentcloudcr.com/a:{tag}"}}"#));
        let old = format!(r#"{{"spec":{{"containers":[{}]}}}}"#, of("a"));
        pod("UPDATE", &format!(r#""containers":[{}]"#, of("b")), &old)
    }),
    ("a Pod with pull secrets of its own", |n| {
        let containers = list(100, |n| format!(r#"{{"image":"s{n}.tencentcloudcr.com/a"}}"#));
        let secrets = list(n, |n| format!(r#"{{"name":"tcr.ipsx{n}"}}"#));
        pod("CREATE", &format!(r#""containers":[{containers}],"imagePullSecrets":[{secrets}]"#), "null")
    }),
    ("a template that declares what is managed", |n| {
        let secrets = list(n, |n| format!(r#"{{"name":"tcr.ipss{}"}}"#, n % (2 * REGISTRIES)));
        template(&format!(
            r#""containers":[{{"image":"s1.tencentcloudcr.com/a"}}],"imagePullSecrets":[{secrets}]"#
        ))
    }),
    ("a template with pull secrets and images of its own", |n| {
        let containers =
            list(n, |n| format!(r#"{{"image":"d{}.tencentcloudcr.com/a:{n}"}}"#, n % REGISTRIES));
        let secrets = list(n, |n| format!(r#"{{"name":"own{n}"}}"#));
        template(&format!(r#""containers":[{containers}],"imagePullSecrets":[{secrets}]"#))
    }),
    ("a ServiceAccount that is made with pull secrets", |n| {
        let account = account(n, "tcr.ipsx");
        request("ServiceAccount", "CREATE", &account, "null")
    }),
    ("a ServiceAccount that loses its pull secrets", |n| {
        request("ServiceAccount", "UPDATE", &account(n, "tcr.ipsy"), &account(n, "tcr.ipss"))
    }),
    ("a Secret with labels", |n| {
        let secret = |data: &str| {
            let labels = list(n, |n| format!(r#""k{n}":"v""#));
            format!(r#"{{"metadata":{{"labels":{{{labels}}}}},"data":{{"a":"{data}"}}}}"#)
        };
        request("Secret", "UPDATE", &secret("b"), &secret("c"))
    }),
    ("an ImagePullSecret with domains, namespaces and labels", |n| {
        let domains = list(n, |n| format!(r#""d{n}.tencentcloudcr.com""#));
        let names = list(n, |n| format!("n{n}"));
        let values = list(n, |n| format!(r#""v{n}""#));
        let object = format!(
            r#"{{"metadata":{{"name":"x"}},"spec":{{"namespaces":"{names}","serviceAccounts":"{names}","namespaceSelector":{{"matchExpressions":[{{"key":"k","operator":"In","values":[{values}]}}]}},"tcr":{{"instanceId":"tcr-a","region":"ap-guangzhou","domains":[{domains}]}}}}}}"#
        );
        request("tcr.tencentcloudcr.com/ImagePullSecret", "CREATE", &object, "null")
    }),
    ("an ImagePullSecret with unknown fields", |n| {
        let fields = list(n, |n| format!(r#""f{n}":{n}"#));
        let labels = list(n, |n| format!(r#""k{n}":{n}"#));
        let object = format!(
            r#"{{"metadata":{{"name":"x"}},"spec":{{{fields},"namespaceSelector":{{"matchLabels":{{{labels}}},{fields}}}}}}}"#
        );
        request("tcr.tencentcloudcr.com/ImagePullSecret", "CREATE", &object, "null")
    }),
    ("a Pod with annotations, members twice, and escapes", |n| {
        let annotations = list(n, |n| format!(r#""\u006b{n}":"\"\\\u00e9""#));
        let again = list(n, |_| r#""spec":{"containers":[{"image":"s1.tencentcloudcr.com/a"}]}"#.to_owned());
        let pod = format!(r#"{{"metadata":{{"annotations":{{{annotations}}}}},{again}}}"#);
        request("Pod", "CREATE", &pod, "null")
    }),
    ("a Pod with deep brackets", |n| {
        pod("CREATE", &format!(r#""x":{}{},"containers":[]"#, "[".repeat(n), "]".repeat(n)), "null")
    }),
];

fn per_byte(name: &str) -> u64 {
    if name.contains("ImagePullSecret") { PER_BYTE_OF_OURS } else { PER_BYTE }
}

fn pod(operation: &str, spec: &str, old: &str) -> String {
    request("Pod", operation, &format!(r#"{{"metadata":{{"name":"x"}},"spec":{{{spec}}}}}"#), old)
}

fn template(spec: &str) -> String {
    request(
        "apps/Deployment",
        "UPDATE",
        &format!(r#"{{"metadata":{{"name":"x"}},"spec":{{"template":{{"spec":{{{spec}}}}}}}}}"#),
        &format!(r#"{{"metadata":{{"name":"x"}},"spec":{{"template":{{"spec":{{{spec},"x":1}}}}}}}}"#),
    )
}

fn account(n: usize, prefix: &str) -> String {
    let secrets = list(n, |n| format!(r#"{{"name":"{prefix}{n}"}}"#));
    format!(r#"{{"metadata":{{"name":"x"}},"imagePullSecrets":[{secrets}]}}"#)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn evaluation_takes_steps_in_proportion_to_the_object(
        shape in prop::sample::select(SHAPES),
        n in 200..2000_usize,
    ) {
        let (name, make) = shape;
        let (small, small_bytes) = steps(&make(n));
        let (large, large_bytes) = steps(&make(4 * n));
        prop_assert!(
            large - small.min(large) <= per_byte(name) * (large_bytes - small_bytes),
            "{name}: {} more bytes cost {} more steps", large_bytes - small_bytes, large - small.min(large)
        );
        prop_assert!(
            large <= FIXED + per_byte(name) * large_bytes,
            "{name}: {large_bytes} bytes cost {large} steps"
        );
    }
}

/// The figures that the limits above are taken from: run with `--nocapture`.
#[test]
fn a_megabyte_of_each_shape_is_within_the_limit() {
    for (name, make) in SHAPES {
        let n = (1..).map(|power| 1_usize << power).find(|n| make(*n).len() > 1 << 20).expect("it grows");
        let (steps, bytes) = steps(&make(n));
        eprintln!("{name}: {bytes} bytes, {steps} steps, {} a byte", steps / bytes);
        assert!(steps <= FIXED + per_byte(name) * bytes, "{name}: {bytes} bytes cost {steps} steps");
    }
}
